import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;

/** What Kafka's AdminClient sees of replicas on brokers 1 to 4: one line per check, `ok NAME` or `FAILED NAME: why`. */
public class ReplicationAdmin {
  static int failed = 0;
  interface Check { void run() throws Exception; }
  static void check(String name, Check body) {
    try { body.run(); System.out.println("ok " + name); }
    catch (Throwable e) { failed++; System.out.println("FAILED " + name + ": " + e); }
  }
  static void expect(boolean condition, Object seen) { if (!condition) throw new AssertionError("saw " + seen); }
  static Throwable failureOf(KafkaFuture<?> future) throws Exception {
    try { return new AssertionError("no error: " + future.get(30, TimeUnit.SECONDS)); } catch (ExecutionException e) { return e.getCause(); }
  }
  static void fails(Class<? extends Throwable> kind, KafkaFuture<?> future) throws Exception {
    Throwable why = failureOf(future);
    expect(kind.isInstance(why), why);
  }
  static List<Integer> ids(List<Node> nodes) { List<Integer> ids = new ArrayList<>(); for (Node node : nodes) ids.add(node.id()); return ids; }
  static Optional<NewPartitionReassignment> to(Integer... replicas) { return Optional.of(new NewPartitionReassignment(List.of(replicas))); }
  static TopicPartitionInfo partition(Admin admin, String topic, int index) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().get(index);
  }
  static void until(String what, Callable<Boolean> condition) throws Exception {
    long end = System.currentTimeMillis() + 20_000;
    while (!condition.call()) { if (System.currentTimeMillis() > end) throw new AssertionError("not " + what); Thread.sleep(20); }
  }

  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "request.timeout.ms", "20000"))) {
      TopicPartition first = new TopicPartition("admin", 0), second = new TopicPartition("admin", 1), none = new TopicPartition("nowhere", 0), beyond = new TopicPartition("admin", 9);
      check("createTopics: replicas on three brokers each, the first leads, all in sync", () -> {
        admin.createTopics(List.of(new NewTopic("admin", Map.of(0, List.of(1, 2, 3), 1, List.of(2, 3, 4))), new NewTopic("placed", 8, (short) 3))).all().get();
        TopicPartitionInfo info = partition(admin, "admin", 1);
        expect(ids(info.replicas()).equals(List.of(2, 3, 4)) && info.leader().id() == 2 && ids(info.isr()).equals(List.of(2, 3, 4)), info);
        Map<Integer, Integer> leaders = new HashMap<>();
        for (TopicPartitionInfo each : admin.describeTopics(List.of("placed")).allTopicNames().get().get("placed").partitions()) {
          expect(new HashSet<>(ids(each.replicas())).size() == 3 && each.isr().size() == 3, each);
          leaders.merge(each.leader().id(), 1, Integer::sum);
        }
        expect(leaders.values().stream().allMatch(count -> count == 2) && leaders.size() == 4, leaders);
        fails(InvalidReplicationFactorException.class, admin.createTopics(List.of(new NewTopic("five", 1, (short) 5))).all());
        fails(InvalidReplicaAssignmentException.class, admin.createTopics(List.of(new NewTopic("twice", Map.of(0, List.of(1, 1))))).all());
      });
      check("alterPartitionReassignments: refused ones leave no trace", () -> {
        AlterPartitionReassignmentsResult result = admin.alterPartitionReassignments(Map.of(first, to(1, 1), second, to(2, 9), none, to(1), beyond, to(1)));
        fails(InvalidReplicaAssignmentException.class, result.values().get(first));
        fails(InvalidReplicaAssignmentException.class, result.values().get(second));
        fails(UnknownTopicOrPartitionException.class, result.values().get(none));
        fails(UnknownTopicOrPartitionException.class, result.values().get(beyond));
        fails(NoReassignmentInProgressException.class, admin.alterPartitionReassignments(Map.of(first, Optional.empty())).all());
        expect(admin.listPartitionReassignments().reassignments().get().isEmpty(), admin.listPartitionReassignments().reassignments().get());
      });
      check("alterPartitionReassignments: one replica is replaced, the leader stays; another order alone is done at once", () -> {
        admin.alterPartitionReassignments(Map.of(first, to(1, 2, 4), second, to(4, 3, 2))).all().get();
        until("moved", () -> admin.listPartitionReassignments().reassignments().get().isEmpty());
        until("known", () -> ids(partition(admin, "admin", 0).replicas()).equals(List.of(1, 2, 4)) && partition(admin, "admin", 0).isr().size() == 3);
        expect(partition(admin, "admin", 0).leader().id() == 1, partition(admin, "admin", 0));
        until("ordered", () -> ids(partition(admin, "admin", 1).replicas()).equals(List.of(4, 3, 2)));
        expect(partition(admin, "admin", 1).leader().id() == 2, partition(admin, "admin", 1));
      });
      check("electLeaders: preferred where it is not yet, not needed where it is, unknown partitions", () -> {
        ElectLeadersResult result = admin.electLeaders(ElectionType.PREFERRED, Set.of(first, second, none));
        Map<TopicPartition, Optional<Throwable>> outcomes = result.partitions().get();
        expect(outcomes.get(second).isEmpty(), outcomes);
        expect(outcomes.get(first).get() instanceof ElectionNotNeededException, outcomes);
        expect(outcomes.get(none).get() instanceof UnknownTopicOrPartitionException, outcomes);
        expect(partition(admin, "admin", 1).leader().id() == 4, partition(admin, "admin", 1));
      });
      check("electLeaders: unclean is not needed where somebody leads; of all partitions, only those that need it", () -> {
        Map<TopicPartition, Optional<Throwable>> outcomes = admin.electLeaders(ElectionType.UNCLEAN, Set.of(first)).partitions().get();
        expect(outcomes.get(first).get() instanceof ElectionNotNeededException, outcomes);
        expect(admin.electLeaders(ElectionType.UNCLEAN, null).partitions().get().isEmpty(), "elections");
        expect(admin.electLeaders(ElectionType.PREFERRED, null).partitions().get().isEmpty(), "elections");
      });
      check("createPartitions: assigned by hand, with as many replicas; refused with fewer", () -> {
        fails(InvalidReplicaAssignmentException.class, admin.createPartitions(Map.of("admin", NewPartitions.increaseTo(3, List.of(List.of(1, 2))))).all());
        admin.createPartitions(Map.of("admin", NewPartitions.increaseTo(3, List.of(List.of(3, 1, 2))))).all().get();
        until("led", () -> { TopicDescription now = admin.describeTopics(List.of("admin")).allTopicNames().get().get("admin"); return now.partitions().size() == 3 && now.partitions().get(2).leader() != null && now.partitions().get(2).isr().size() == 3; });
        expect(ids(partition(admin, "admin", 2).replicas()).equals(List.of(3, 1, 2)) && partition(admin, "admin", 2).leader().id() == 3, partition(admin, "admin", 2));
      });
      check("describeLogDirs: every broker has the replicas that are assigned to it", () -> {
        Map<Integer, Map<String, LogDirDescription>> dirs = admin.describeLogDirs(List.of(1, 2, 3, 4)).allDescriptions().get();
        TopicDescription now = admin.describeTopics(List.of("admin")).allTopicNames().get().get("admin");
        for (TopicPartitionInfo info : now.partitions()) for (int broker = 1; broker <= 4; broker++) {
          TopicPartition asked = new TopicPartition("admin", info.partition());
          boolean has = dirs.get(broker).values().stream().anyMatch(dir -> dir.replicaInfos().containsKey(asked));
          if (ids(info.replicas()).contains(broker)) expect(has, broker + " without " + asked);
          else until("gone from " + broker + ": " + asked, noLonger(admin, broker, asked));
        }
      });
    }
    System.out.println(failed == 0 ? "all ok" : failed + " failed");
    System.exit(failed == 0 ? 0 : 1);
  }
  static Callable<Boolean> noLonger(Admin admin, int broker, TopicPartition asked) {
    return () -> admin.describeLogDirs(List.of(broker)).allDescriptions().get().get(broker).values().stream().noneMatch(dir -> dir.replicaInfos().containsKey(asked));
  }
}
