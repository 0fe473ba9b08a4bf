import java.io.File;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import kafka.log.*;
import kafka.server.BrokerTopicStats;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;
import scala.Option;
import scala.runtime.BoxedUnit;

/**
 * Kafka's own cleaner on partition folders, each at a time of its own, until nothing is dirty: one folder per line of standard input,
 * `folder nowMs cleanedOffset|-1 dedupeBytes ioBytes key=value,key=value`. Says `folder` and, of each compaction, `firstDirtyOffset
 * firstUncleanableOffset endOffset`.
 */
public class CleanLogs {
  static class FixedTime implements Time {
    long nowMs = 0;
    public long milliseconds() { return nowMs; }
    public long nanoseconds() { return nowMs * 1_000_000; }
    public void sleep(long ms) {}
    public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) { throw new UnsupportedOperationException(); }
  }

  public static void main(String[] args) throws Exception {
    FixedTime time = new FixedTime();
    KafkaScheduler scheduler = new KafkaScheduler(1);
    scheduler.startup();
    for (String line : new String(System.in.readAllBytes()).split("\n")) {
      String[] field = line.split(" ");
      File folder = new File(field[0]);
      time.nowMs = Long.parseLong(field[1]);
      long cleaned = Long.parseLong(field[2]);
      Map<String, String> config = new HashMap<>();
      for (String entry : field[5].split(",")) config.put(entry.split("=")[0], entry.split("=")[1]);
      UnifiedLog log = UnifiedLog.apply(folder, new LogConfig(config), 0L, 0L, scheduler, new BrokerTopicStats(false), time, 300_000,
        new ProducerStateManagerConfig(86_400_000, false), 600_000, new LogDirFailureChannel(10), true, Option.empty(), true,
        new ConcurrentHashMap<>(), false, LogOffsetsListener.NO_OP_OFFSETS_LISTENER);
      log.updateHighWatermark(log.logEndOffset());
      Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(Integer.parseInt(field[3]), "MD5"), Integer.parseInt(field[4]), 1 << 24, 0.9,
        new Throttler(Double.MAX_VALUE, 300, "cleaner-io", "bytes", time), time, (TopicPartition partition) -> BoxedUnit.UNIT);
      StringBuilder said = new StringBuilder(field[0]);
      for (;;) {
        OffsetsToClean range = LogCleanerManager.cleanableOffsets(log, cleaned < 0 ? Option.empty() : Option.apply((Object) cleaned), time.nowMs);
        LogToClean clean = new LogToClean(log.topicPartition(), log, range.firstDirtyOffset(), range.firstUncleanableDirtyOffset(), false);
        if (clean.totalBytes() == 0 || clean.cleanableRatio() <= 0) break;
        cleaned = (Long) cleaner.doClean(clean, time.nowMs)._1();
        said.append(" ").append(clean.firstDirtyOffset()).append(" ").append(clean.firstUncleanableOffset()).append(" ").append(cleaned);
      }
      System.out.println(said);
      log.close();
    }
    scheduler.shutdown();
    System.exit(0);
  }
}
