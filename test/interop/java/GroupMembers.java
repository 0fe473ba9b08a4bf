import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Consumers of many groups in one process, a thread each. Commands: `start NAME GROUP TOPIC ASSIGNOR INSTANCE|-`, `stop NAME`; it ends with
 * its input. Says what packages/testing/src/checkers/group-history.ts calls events, one JSON object per line, and `ready`, `failed`.
 */
public class GroupMembers {
  static final Map<String, Member> members = new ConcurrentHashMap<>();
  static synchronized void say(String line) { System.out.println(line); System.out.flush(); }

  static class Member extends Thread implements ConsumerRebalanceListener {
    final String bootstrap, name, group, instance;
    final String[] command;
    KafkaConsumer<String, String> consumer;
    volatile boolean isStopping = false;

    Member(String bootstrap, String[] command) {
      this.bootstrap = bootstrap;
      this.command = command;
      name = command[1];
      group = command[2];
      instance = command[5].equals("-") ? null : command[5];
    }
    KafkaConsumer<String, String> subscribed(String topic, String assignor) {
      Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "client.id", name,
        "auto.offset.reset", "earliest", "enable.auto.commit", "false", "session.timeout.ms", "6000", "heartbeat.interval.ms", "500",
        "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor, "metadata.max.age.ms", "2000"));
      config.put("reconnect.backoff.max.ms", "200");
      if (instance != null) config.put("group.instance.id", instance);
      KafkaConsumer<String, String> made = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
      made.subscribe(List.of(topic), this);
      return made;
    }
    void event(String type, String more) {
      // CLOCK_MONOTONIC on Linux, as the other members have it.
      double atMs = System.nanoTime() / 1e6;
      say("{\"type\":\"" + type + "\",\"atMs\":" + String.format(Locale.ROOT, "%.3f", atMs) + ",\"group\":\"" + group + "\",\"member\":\"" + name + "\"" + more + "}");
    }
    void owns(String type, Collection<TopicPartition> partitions) {
      int generation = consumer.groupMetadata().generationId();
      StringJoiner numbers = new StringJoiner(",", "[", "]");
      for (TopicPartition each : partitions) numbers.add(String.valueOf(each.partition()));
      event(type, ",\"generation\":" + (generation < 0 ? "null" : generation) + ",\"instance\":" + (instance == null ? "null" : "\"" + instance + "\"") + ",\"partitions\":" + numbers);
    }
    @Override public void onPartitionsAssigned(Collection<TopicPartition> added) { owns("assigned", added); }
    @Override public void onPartitionsRevoked(Collection<TopicPartition> gone) { owns("revoked", gone); }
    @Override public void onPartitionsLost(Collection<TopicPartition> gone) { owns("lost", gone); }

    void fail(Throwable e) {
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      event("failed", ",\"why\":\"" + trace.toString().replaceAll("[\\\\\"]", "'").replaceAll("\\s+", " ") + "\"");
    }
    @Override public void run() {
      try {
        consumer = subscribed(command[3], command[4]);
        while (!isStopping) {
          ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
          for (ConsumerRecord<String, String> each : records) {
            String value = each.value();
            String known = value.substring(0, value.indexOf(':', value.indexOf(':') + 1));
            event("processed", ",\"partition\":" + each.partition() + ",\"offset\":" + each.offset() + ",\"value\":\"" + known + "\"");
          }
          // Somebody else has the partitions by now, or the coordinator moves: they are read again, by whoever has them.
          try { if (!records.isEmpty()) consumer.commitSync(Duration.ofSeconds(5)); }
          catch (CommitFailedException | RebalanceInProgressException | org.apache.kafka.common.errors.TimeoutException again) { }
        }
        event("leaving", "");
        consumer.close(Duration.ofSeconds(5));
        event("left", "");
      } catch (Throwable e) { fail(e); }
    }
  }

  public static void main(String[] args) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    say("{\"type\":\"ready\"}");
    for (String line; (line = input.readLine()) != null;) {
      String[] command = line.split(" ");
      if (command[0].equals("start")) { Member member = new Member(args[0], command); members.put(member.name, member); member.start(); }
      else members.get(command[1]).isStopping = true;
    }
    for (Member each : members.values()) each.isStopping = true;
    for (Member each : members.values()) each.join(10_000);
    System.exit(0);
  }
}
