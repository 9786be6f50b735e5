// SPDX-License-Identifier: Apache-2.0

// Topics makes the topics of a table that a broker does not have yet, and sets the retention of those it has:
//
//	topics -brokers HOST:PORT[,HOST:PORT...] [-replication N] < dapr-components/topics
//
// A line of the table is `NAME PARTITIONS RETENTION`, where a retention is a number and d, h, m or s. The number of
// partitions of a topic that is there stays: more of them would send keys elsewhere and break their order; it
// is told, and the exit code is 1. For a broker with a password: TOPICS_SASL_USERNAME and TOPICS_SASL_PASSWORD (PLAIN)
// in the environment, and -tls.
package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

type topic struct {
	name       string
	partitions int32
	retention  time.Duration
}

func parseRetention(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func readTable(in *bufio.Scanner) ([]topic, error) {
	var table []topic
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("not 'NAME PARTITIONS RETENTION': %q", line)
		}
		partitions, err := strconv.ParseInt(words[1], 10, 32)
		if err != nil {
			return nil, err
		}
		retention, err := parseRetention(words[2])
		if err != nil {
			return nil, err
		}
		table = append(table, topic{words[0], int32(partitions), retention})
	}
	return table, in.Err()
}

func connect(brokers string, withTLS bool) (sarama.ClusterAdmin, error) {
	config := sarama.NewConfig()
	config.ClientID = "todod-topics"
	config.Version = sarama.V3_6_0_0
	config.Net.TLS.Enable = withTLS
	config.Net.TLS.Config = &tls.Config{MinVersion: tls.VersionTLS12}
	if user := os.Getenv("TOPICS_SASL_USERNAME"); user != "" {
		config.Net.SASL.Enable = true
		config.Net.SASL.User = user
		config.Net.SASL.Password = os.Getenv("TOPICS_SASL_PASSWORD")
	}
	return sarama.NewClusterAdmin(strings.Split(brokers, ","), config)
}

// partitions waits until every partition of a topic has a leader, which a broker says some time after it took
// the order, and counts them.
func partitions(admin sarama.ClusterAdmin, name string) (int, error) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		seen, err := admin.DescribeTopics([]string{name})
		if err != nil {
			return 0, err
		}
		err = seen[0].Err
		for _, p := range seen[0].Partitions {
			if p.Err != sarama.ErrNoError {
				err = p.Err
			}
		}
		if errors.Is(err, sarama.ErrNoError) && len(seen[0].Partitions) > 0 {
			return len(seen[0].Partitions), nil
		}
		if time.Now().After(deadline) {
			return 0, err
		}
	}
}

// ensure says what it did.
func ensure(admin sarama.ClusterAdmin, t topic, replication int16) (string, error) {
	retention := strconv.FormatInt(t.retention.Milliseconds(), 10)
	err := admin.CreateTopic(t.name, &sarama.TopicDetail{
		NumPartitions:     t.partitions,
		ReplicationFactor: replication,
		ConfigEntries:     map[string]*string{"retention.ms": &retention},
	}, false)
	made := err == nil
	if !made && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return "", err
	}
	n, err := partitions(admin, t.name)
	if err != nil {
		return "", err
	}
	if n != int(t.partitions) {
		return "", fmt.Errorf("has %d partitions, not %d", n, t.partitions)
	}
	if made {
		return "made", nil
	}
	err = admin.IncrementalAlterConfig(sarama.TopicResource, t.name, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &retention},
	}, false)
	return "was there", err
}

func run() error {
	brokers := flag.String("brokers", "", "HOST:PORT, separated by commas")
	replication := flag.Int("replication", -1, "copies of each partition; -1: as the broker has it")
	withTLS := flag.Bool("tls", false, "connect by TLS")
	flag.Parse()
	if *brokers == "" || flag.NArg() != 0 {
		return errors.New("usage: topics -brokers HOST:PORT[,...] [-replication N] [-tls] < TABLE")
	}
	table, err := readTable(bufio.NewScanner(os.Stdin))
	if err != nil {
		return err
	}
	admin, err := connect(*brokers, *withTLS)
	if err != nil {
		return err
	}
	defer admin.Close()
	failed := false
	for _, t := range table {
		done, err := ensure(admin, t, int16(*replication))
		if err != nil {
			failed = true
			done = err.Error()
		}
		fmt.Printf("topics: %s: %d partitions, kept %v: %s\n", t.name, t.partitions, t.retention, done)
	}
	if failed {
		return errors.New("the broker's topics are not those of the table")
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "topics:", err)
		os.Exit(1)
	}
}
