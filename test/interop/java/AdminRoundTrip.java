import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;

/** What Kafka's AdminClient and default (idempotent) producer see of a cluster: one line per check, `ok NAME` or `FAILED NAME: why`. */
public class AdminRoundTrip {
  static int failed = 0;
  interface Check { void run() throws Exception; }
  static void check(String name, Check body) {
    try { body.run(); System.out.println("ok " + name); }
    catch (Throwable e) { failed++; System.out.println("FAILED " + name + ": " + e); }
  }
  static void expect(boolean condition, Object seen) { if (!condition) throw new AssertionError("saw " + seen); }
  static void fails(Class<? extends Throwable> kind, KafkaFuture<?> future) throws Exception {
    try { future.get(30, TimeUnit.SECONDS); } catch (ExecutionException e) { expect(kind.isInstance(e.getCause()), e.getCause()); return; }
    throw new AssertionError("no error");
  }

  public static void main(String[] args) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", args[0], "request.timeout.ms", "20000");
    try (Admin admin = Admin.create(config)) {
      check("describeCluster", () -> {
        DescribeClusterResult cluster = admin.describeCluster();
        expect(cluster.nodes().get().size() == 3, cluster.nodes().get());
        expect(cluster.controller().get() != null, cluster.controller().get());
        expect(cluster.clusterId().get().length() == 22, cluster.clusterId().get());
      });
      check("createTopics with configs and defaults", () -> {
        CreateTopicsResult made = admin.createTopics(List.of(new NewTopic("java", 3, (short) 1).configs(Map.of("retention.ms", "1234567")), new NewTopic("java-defaults", Optional.empty(), Optional.empty())));
        made.all().get();
        expect(made.numPartitions("java").get() == 3, made.numPartitions("java").get());
        expect(made.topicId("java").get() != null && !made.topicId("java").get().equals(Uuid.ZERO_UUID), made.topicId("java").get());
        expect("1234567".equals(made.config("java").get().get("retention.ms").value()), made.config("java").get());
      });
      check("createTopics: exists, bad name, bad config, more replicas than brokers", () -> {
        fails(TopicExistsException.class, admin.createTopics(List.of(new NewTopic("java", 1, (short) 1))).all());
        fails(InvalidTopicException.class, admin.createTopics(List.of(new NewTopic("bad name", 1, (short) 1))).all());
        fails(InvalidConfigurationException.class, admin.createTopics(List.of(new NewTopic("bad-config", 1, (short) 1).configs(Map.of("no.such.config", "1")))).all());
        fails(InvalidReplicationFactorException.class, admin.createTopics(List.of(new NewTopic("rf4", 1, (short) 4))).all());
      });
      check("createTopics: manual assignment, validateOnly", () -> {
        admin.createTopics(List.of(new NewTopic("manual", Map.of(0, List.of(3), 1, List.of(1))))).all().get();
        TopicDescription manual = admin.describeTopics(List.of("manual")).allTopicNames().get().get("manual");
        expect(manual.partitions().get(0).leader().id() == 3 && manual.partitions().get(1).leader().id() == 1, manual);
        admin.createTopics(List.of(new NewTopic("only-validated", 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
        expect(!admin.listTopics().names().get().contains("only-validated"), admin.listTopics().names().get());
      });
      check("describeTopics by name and id", () -> {
        TopicDescription byName = admin.describeTopics(List.of("java")).allTopicNames().get().get("java");
        expect(byName.partitions().size() == 3 && byName.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == 1), byName);
        TopicDescription byId = admin.describeTopics(TopicCollection.ofTopicIds(List.of(byName.topicId()))).allTopicIds().get().get(byName.topicId());
        expect(byId.name().equals("java"), byId);
        fails(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of("nowhere")).allTopicNames());
      });
      check("createPartitions", () -> {
        admin.createPartitions(Map.of("java", NewPartitions.increaseTo(5))).all().get();
        expect(admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 5, "partitions");
        fails(InvalidPartitionsException.class, admin.createPartitions(Map.of("java", NewPartitions.increaseTo(2))).all());
      });
      ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "java");
      check("incrementalAlterConfigs and describeConfigs of a topic", () -> {
        admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND), new AlterConfigOp(new ConfigEntry("retention.ms", ""), AlterConfigOp.OpType.DELETE), new AlterConfigOp(new ConfigEntry("segment.bytes", "1048576"), AlterConfigOp.OpType.SET)))).all().get();
        Thread.sleep(300);
        Config seen = admin.describeConfigs(List.of(topic)).all().get().get(topic);
        expect("delete,compact".equals(seen.get("cleanup.policy").value()), seen.get("cleanup.policy"));
        expect(seen.get("retention.ms").isDefault(), seen.get("retention.ms"));
        expect("1048576".equals(seen.get("segment.bytes").value()) && seen.get("segment.bytes").source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, seen.get("segment.bytes"));
        fails(InvalidConfigurationException.class, admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("segment.bytes", "x"), AlterConfigOp.OpType.SET)))).all());
      });
      check("broker configs: described, altered, seen", () -> {
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        expect("1".equals(admin.describeConfigs(List.of(broker)).all().get().get(broker).get("broker.id").value()), "broker.id");
        admin.incrementalAlterConfigs(Map.of(all, List.of(new AlterConfigOp(new ConfigEntry("log.retention.ms", "86400000"), AlterConfigOp.OpType.SET)))).all().get();
        Thread.sleep(300);
        ConfigEntry seen = admin.describeConfigs(List.of(broker)).all().get().get(broker).get("log.retention.ms");
        expect("86400000".equals(seen.value()) && seen.source() == ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, seen);
        admin.incrementalAlterConfigs(Map.of(all, List.of(new AlterConfigOp(new ConfigEntry("log.retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
      });
      check("default producer: idempotent, acks=all", () -> {
        Map<String, Object> settings = new HashMap<>(config);
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (Producer<String, String> producer = new KafkaProducer<>(settings)) {
          List<Future<RecordMetadata>> sent = new ArrayList<>();
          for (int i = 0; i < 10000; i++) sent.add(producer.send(new ProducerRecord<>("java", i % 5, "k" + i, "v" + i)));
          long highest = 0;
          for (Future<RecordMetadata> future : sent) highest = Math.max(highest, future.get(30, TimeUnit.SECONDS).offset());
          expect(highest == 1999, highest);
        }
      });
      check("listOffsets, deleteRecords, describeProducers, describeLogDirs", () -> {
        TopicPartition first = new TopicPartition("java", 0);
        expect(admin.listOffsets(Map.of(first, OffsetSpec.latest())).partitionResult(first).get().offset() == 2000, "latest");
        expect(admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(100))).lowWatermarks().get(first).get().lowWatermark() == 100, "low watermark");
        expect(admin.listOffsets(Map.of(first, OffsetSpec.earliest())).partitionResult(first).get().offset() == 100, "earliest");
        expect(admin.listOffsets(Map.of(first, OffsetSpec.maxTimestamp())).partitionResult(first).get().offset() >= 100, "max timestamp");
        expect(admin.describeProducers(List.of(first)).partitionResult(first).get().activeProducers().size() == 1, "producers");
        Map<Integer, Map<String, LogDirDescription>> dirs = admin.describeLogDirs(List.of(1, 2, 3)).allDescriptions().get();
        expect(dirs.values().stream().flatMap(d -> d.values().stream()).anyMatch(d -> d.replicaInfos().keySet().stream().anyMatch(p -> p.topic().equals("java"))), dirs);
      });
      check("deleteTopics: gone, and its name is free again", () -> {
        admin.deleteTopics(List.of("java", "manual")).all().get();
        for (int i = 0; i < 100 && admin.listTopics().names().get().contains("java"); i++) Thread.sleep(50);
        expect(!admin.listTopics().names().get().contains("java"), admin.listTopics().names().get());
        fails(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of("nowhere")).all());
        admin.createTopics(List.of(new NewTopic("java", 1, (short) 1))).all().get();
        expect(admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 1, "partitions of the new topic");
        TopicPartition first = new TopicPartition("java", 0);
        expect(admin.listOffsets(Map.of(first, OffsetSpec.latest())).partitionResult(first).get().offset() == 0, "latest of the new topic");
      });
    }
    System.out.println(failed == 0 ? "all ok" : failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }
}
