import { FindingsOf, row, type AnomalyRow } from './findings.ts'

/** What can be wrong with a history. */
export const anomalies = {
  lost: row('violation', 'acknowledged with acks=all, and not there, though later offsets are'),
  vanished: row('violation', 'shown to a reader, and not there at the end'),
  unseen: row('violation', 'acknowledged with acks=all, and the log ends before it'),
  duplicate: row('violation', 'at more offsets than attempts that may have written it'),
  'inconsistent-offset': row('violation', 'one offset, two values'),
  'aborted-read': row('violation', 'read, though its only attempts failed for certain'),
  phantom: row('violation', 'read, and sent by nobody'),
  torn: row('violation', 'read, but not as it was sent'),
  'torn-transaction': row('violation', 'some of a transaction is there at the end, some is not'),
  'poll-skip': row('violation', 'a reader was not shown a record between two others'),
  'poll-backwards': row('violation', 'a reader was shown a record again, or an earlier one'),
  'beyond-the-log': row(
    'violation',
    'the leader has no such offset, though the reader was shown what stands before it',
  ),
  'send-reordered': row('violation', 'an ordered producer sent it later, and it stands earlier'),
  'realtime-order': row('violation', 'sent after another was acknowledged, and it stands before it'),
  'epoch-backwards': row('violation', 'the leader epoch of a later offset is lower'),
  'stale-read': row(
    'violation',
    'a leader did not show what had been acknowledged in its own epoch before it was asked',
  ),
  'answer-from-the-past': row('violation', 'a leader answered long after records of a newer epoch were acknowledged'),
  'stale-ack': row('violation', 'acks=1 was given and lost, long after records of a newer epoch were acknowledged'),
  'replicas-differ': row('violation', 'after all is quiet, the bytes of two replicas are not the same'),
  'lost-acks-1': row('note', 'acknowledged with acks=1 and lost with the leader, as it may be'),
  'retried-duplicate': row('note', 'there twice because a producer without idempotence sent it twice'),
} satisfies Record<string, AnomalyRow>

export type Anomaly = keyof typeof anomalies

/** Of the records of a topic. */
export class Findings extends FindingsOf<Anomaly> {
  constructor() {
    super(anomalies)
  }
}
