/**
 * Records what Kafka's `kafka-consumer-groups` prints when it is used on a real Kafka 3.9.1: kafka-3.9.1.txt, which the test compares with.
 *   node scripts/run.js test/interop/consumer-groups-tool/record.ts [FILE]
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startKafka } from '../../oracles/kafka.ts'
import { startZooKeeper } from '../../oracles/zookeeper-server.ts'
import { ToolShell } from '../tool-shell.ts'
import { transcript } from './script.ts'
import { Stage, stageProperties } from './stage.ts'

const shell = new ToolShell()
const zookeeper = await startZooKeeper()
const kafka = await startKafka({ zookeeper: zookeeper.connectString, brokerId: 1, properties: stageProperties })
const stage = new Stage(kafka.port)
try {
  const text = await transcript(stage, shell, `127.0.0.1:${kafka.port}`)
  writeFileSync(process.argv[2] ?? join(import.meta.dirname, 'kafka-3.9.1.txt'), text)
} finally {
  await stage.close()
  await shell.close()
  await kafka.stop()
  await zookeeper.stop()
}
