import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;

/**
 * Java clients that stay while brokers change under them. Standard input, one command per line; each is answered by `done ...` or `failed ...`:
 *   member GROUP TOPIC INSTANCE SESSION_MS   joins and stays; says `assigned GROUP p,p generation` and `record GROUP p offset`
 *   commit GROUP TOPIC P OFFSET METADATA     from outside of the group
 *   begin ID / abort ID / end ID             transactions of a producer with this transactional id
 *   send ID TOPIC KEY VALUE                  `-` for a tombstone; answers the offset
 *   offsets ID GROUP TOPIC P OFFSET          sendOffsetsToTransaction
 *   stop                                     members leave
 */
public class GroupClients {
  static String bootstrap;
  static final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
  static final List<Thread> members = new ArrayList<>();
  static volatile boolean running = true;

  static synchronized void say(String line) { System.out.println(line); System.out.flush(); }

  public static void main(String[] args) throws Exception {
    bootstrap = args[0];
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
      for (String line; (line = commands.readLine()) != null; ) {
        String[] word = line.split(" ");
        try { say("done " + run(admin, word)); } catch (Exception failure) { say("failed " + line + ": " + failure); }
        if (word[0].equals("stop")) break;
      }
    }
    System.exit(0);
  }

  static String run(Admin admin, String[] word) throws Exception {
    switch (word[0]) {
      case "member": {
        Thread thread = new Thread(() -> member(word[1], word[2], word[3], word[4]));
        thread.start();
        members.add(thread);
        return "";
      }
      case "commit":
        admin.alterConsumerGroupOffsets(word[1], Map.of(new TopicPartition(word[2], Integer.parseInt(word[3])),
          new OffsetAndMetadata(Long.parseLong(word[4]), Optional.of(0), word[5]))).all().get(30, TimeUnit.SECONDS);
        return "";
      case "begin": producer(word[1]).beginTransaction(); return "";
      case "abort": producer(word[1]).abortTransaction(); return "";
      case "end": producer(word[1]).commitTransaction(); return "";
      case "send":
        return "" + producer(word[1]).send(new ProducerRecord<>(word[2], 0, word[3], word[4].equals("-") ? null : word[4])).get().offset();
      case "offsets":
        producer(word[1]).sendOffsetsToTransaction(Map.of(new TopicPartition(word[3], Integer.parseInt(word[4])),
          new OffsetAndMetadata(Long.parseLong(word[5]), "of-" + word[1])), new ConsumerGroupMetadata(word[2]));
        return "";
      case "stop":
        running = false;
        for (Thread thread : members) thread.join();
        return "";
      default: throw new IllegalArgumentException("unknown");
    }
  }

  static KafkaProducer<String, String> producer(String id) {
    return producers.computeIfAbsent(id, name -> {
      KafkaProducer<String, String> made = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "transactional.id", name,
        "transaction.timeout.ms", "600000", "key.serializer", "org.apache.kafka.common.serialization.StringSerializer",
        "value.serializer", "org.apache.kafka.common.serialization.StringSerializer"));
      made.initTransactions();
      return made;
    });
  }

  static void member(String group, String topic, String instance, String sessionMs) {
    Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "session.timeout.ms", sessionMs,
      "heartbeat.interval.ms", "500", "enable.auto.commit", "false", "auto.offset.reset", "earliest", "client.id", "java-member",
      "reconnect.backoff.max.ms", "200", "key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer",
      "value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer"));
    // Else (KIP-899) it has nobody to ask when the last broker that it knows is gone before it heard of one that came back.
    config.put("metadata.recovery.strategy", "rebootstrap");
    if (!instance.equals("-")) config.put("group.instance.id", instance);
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
      consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
        public void onPartitionsRevoked(Collection<TopicPartition> gone) {}
        public void onPartitionsAssigned(Collection<TopicPartition> mine) {
          String which = mine.stream().map(p -> "" + p.partition()).sorted().collect(Collectors.joining(","));
          say("assigned " + group + " " + which + " " + consumer.groupMetadata().generationId());
        }
      });
      while (running) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
          say("record " + group + " " + record.partition() + " " + record.offset());
          consumer.commitSync(Map.of(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), "after-" + record.offset())));
        }
      }
    } catch (Throwable failure) { say("member of " + group + " failed: " + failure); }
  }
}
