/**
 * Sets up the foreign programs that tests compare against: Apache Kafka 3.9.1 and ZooKeeper (Maven), kcat (apt),
 * confluent-kafka (pip). What is present is used; what can be installed is installed; the rest is reported with the one
 * command that would help. `npm test` runs this first; tests read the outcome through `oracles.ts`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Oracle, Oracles } from './oracles.ts'

const kafkaVersion = '3.9.1'
export const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace', 'oracles')

interface Outcome {
  readonly ok: boolean
  readonly output: string
}
function run(command: string, args: readonly string[], cwd?: string): Outcome {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64 << 20, timeout: 600_000 })
  return {
    ok: result.status === 0,
    output: `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`,
  }
}
const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
const say = (line: string): void => console.log(`  ${line}`)

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>io.millrace</groupId><artifactId>oracles</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kafkaVersion}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
`

function kafka(): Oracle {
  const folder = join(cacheFolder, `kafka-${kafkaVersion}`)
  const java = run('java', ['-version'])
  if (!java.ok)
    return { ok: false, reason: 'no java on this machine', command: 'apt-get install -y default-jre-headless maven' }
  if (!existsSync(folder)) {
    if (!run('mvn', ['--version']).ok)
      return { ok: false, reason: 'no Maven to fetch Kafka with', command: 'apt-get install -y maven' }
    say(`fetching Apache Kafka ${kafkaVersion} and ZooKeeper with Maven…`)
    const work = `${folder}.${process.pid}`
    mkdirSync(work, { recursive: true })
    writeFileSync(join(work, 'pom.xml'), pom)
    const fetched = run(
      'mvn',
      ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${join(work, 'libs')}`],
      work,
    )
    if (!fetched.ok) {
      rmSync(work, { recursive: true, force: true })
      return {
        ok: false,
        reason: `Maven failed: ${lastLine(fetched.output)}`,
        command: 'mvn dependency:get -Dartifact=org.apache.kafka:kafka_2.13:3.9.1',
      }
    }
    if (existsSync(folder)) rmSync(work, { recursive: true, force: true })
    else renameSync(work, folder)
  }
  const jars = readdirSync(join(folder, 'libs')).filter(name => name.endsWith('.jar'))
  return jars.length > 50
    ? { ok: true, path: join(folder, 'libs') }
    : { ok: false, reason: `only ${jars.length} jars in ${folder}`, command: `rm -r ${folder}` }
}

function kcat(): Oracle {
  const command = 'apt-get install -y kcat'
  const version = (): Outcome => run('kcat', ['-V'])
  if (version().ok) return { ok: true, path: 'kcat' }
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return { ok: false, reason: 'kcat is not installed, and this is not root on Debian', command: `sudo ${command}` }
  say('installing kcat with apt…')
  run('apt-get', ['update', '-q'])
  const installed = run('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'kcat'])
  return version().ok
    ? { ok: true, path: 'kcat' }
    : { ok: false, reason: `apt failed: ${lastLine(installed.output)}`, command }
}

function confluent(): Oracle {
  const imports = (python: string): boolean => run(python, ['-c', 'import confluent_kafka']).ok
  if (imports('python3')) return { ok: true, path: 'python3' }
  const folder = join(cacheFolder, 'python')
  const python = join(folder, 'bin', 'python3')
  if (existsSync(python) && imports(python)) return { ok: true, path: python }
  say('installing confluent-kafka (Python) with pip…')
  mkdirSync(cacheFolder, { recursive: true })
  const made = run('python3', ['-m', 'venv', folder])
  if (!made.ok)
    return {
      ok: false,
      reason: `no Python virtual environment: ${lastLine(made.output)}`,
      command: 'apt-get install -y python3-venv',
    }
  const installed = run(python, ['-m', 'pip', 'install', '--quiet', 'confluent-kafka==2.12.1'])
  const anyVersion = installed.ok ? installed : run(python, ['-m', 'pip', 'install', '--quiet', 'confluent-kafka'])
  return imports(python)
    ? { ok: true, path: python }
    : { ok: false, reason: `pip failed: ${lastLine(anyVersion.output)}`, command: 'pip install confluent-kafka' }
}

export function setUpOracles(): Oracles {
  mkdirSync(cacheFolder, { recursive: true })
  const oracles: Oracles = { kafka: kafka(), kcat: kcat(), confluent: confluent() }
  writeFileSync(join(cacheFolder, 'oracles.json'), `${JSON.stringify(oracles, null, 2)}\n`)
  return oracles
}
