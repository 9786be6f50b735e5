-- Every event is published twice: the first time it is taken away from the outbox, it stays, as if the relay had died between
-- publishing and taking away.
CREATE SCHEMA torture;
CREATE TABLE torture.kept_once (event_id uuid PRIMARY KEY);

CREATE FUNCTION torture.keep_once() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	INSERT INTO torture.kept_once VALUES (old.event_id) ON CONFLICT DO NOTHING;
	RETURN CASE WHEN FOUND THEN NULL ELSE old END;
END
$$;
CREATE TRIGGER keep_once BEFORE DELETE ON todod.outbox FOR EACH ROW EXECUTE FUNCTION torture.keep_once();
