import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools one after another in one warm JVM: a start costs a second, a command a few milliseconds.
 * In: one line per command, main class and arguments between tabs. Out: what the tool printed, then \u0001, its exit code and a newline.
 */
public class ToolShell {
  /** Thrown where a tool ends its process. Some catch it and end once more: the first time counts. */
  static class Ended extends RuntimeException {
    Ended() { super(null, null, false, false); }
  }
  static Integer code;
  static int printedUntilEnd;

  public static void main(String[] args) throws Exception {
    PrintStream real = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream capture = new PrintStream(printed, true, StandardCharsets.UTF_8);
    System.setOut(capture);
    System.setErr(capture);
    Exit.Procedure end = (status, message) -> {
      if (code == null) {
        if (message != null) capture.println(message);
        capture.flush();
        code = status;
        printedUntilEnd = printed.size();
      }
      throw new Ended();
    };
    Exit.setExitProcedure(end);
    Exit.setHaltProcedure(end);
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = commands.readLine()) != null; ) {
      String[] words = line.split("\t", -1);
      code = null;
      try {
        Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
      } catch (java.lang.reflect.InvocationTargetException failure) {
        if (code == null) { code = 1; failure.getCause().printStackTrace(capture); printedUntilEnd = printed.size(); }
      }
      capture.flush();
      if (code == null) { code = 0; printedUntilEnd = printed.size(); }
      real.print(new String(printed.toByteArray(), 0, printedUntilEnd, StandardCharsets.UTF_8) + '\u0001' + code + '\n');
      real.flush();
      printed.reset();
    }
  }
}
