-- Who tries a reminder again looks after some seconds, not after a minute: for runs that are short.
CREATE FUNCTION torture.be_impatient() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	new.retry_at = least(new.retry_at, now() + interval '7 seconds');
	RETURN new;
END
$$;
CREATE TRIGGER be_impatient BEFORE UPDATE ON todod.reminders FOR EACH ROW WHEN (new.status = 1) EXECUTE FUNCTION torture.be_impatient();
GRANT USAGE ON SCHEMA torture TO PUBLIC;
