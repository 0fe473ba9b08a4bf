import { expect, test } from '@jest/globals'
import { electLeader } from './leader-election.ts'
import type { ElectionReason } from './leader-election.ts'

interface Row {
  readonly reason: ElectionReason
  readonly replicas: number[]
  readonly isr: number[]
  readonly live: number[]
  readonly shuttingDown?: number[]
  readonly unclean?: boolean
  readonly removing?: number[]
  readonly expected: { leader: number; isr: number[]; recovering?: boolean; recipients: number[] } | null
}

const rows: [string, Row][] = [
  [
    'offline: first live of the ISR in assignment order',
    {
      reason: 'offline',
      replicas: [1, 2, 3],
      isr: [3, 2, 1],
      live: [2, 3],
      expected: { leader: 2, isr: [3, 2], recipients: [2, 3] },
    },
  ],
  [
    'offline: live but not in the ISR: none',
    { reason: 'offline', replicas: [1, 2], isr: [1], live: [2], expected: null },
  ],
  [
    'offline: the same with unclean allowed: recovering',
    {
      reason: 'offline',
      replicas: [1, 2, 3],
      isr: [1],
      live: [2, 3],
      unclean: true,
      expected: { leader: 2, isr: [2], recovering: true, recipients: [2, 3] },
    },
  ],
  [
    'offline: nobody live: none even with unclean',
    { reason: 'offline', replicas: [1], isr: [1], live: [], unclean: true, expected: null },
  ],
  [
    'unclean by request: prefers a clean one',
    {
      reason: 'unclean',
      replicas: [1, 2],
      isr: [2],
      live: [1, 2],
      expected: { leader: 2, isr: [2], recipients: [1, 2] },
    },
  ],
  [
    'offline: a broker in controlled shutdown cannot lead',
    {
      reason: 'offline',
      replicas: [1, 2],
      isr: [1, 2],
      live: [2],
      shuttingDown: [1],
      expected: { leader: 2, isr: [2], recipients: [2] },
    },
  ],
  [
    'reassign: first of the target, ISR as it is',
    {
      reason: 'reassign',
      replicas: [3, 4, 1],
      removing: [1],
      isr: [1, 4],
      live: [1, 3, 4],
      expected: { leader: 4, isr: [1, 4], recipients: [3, 4] },
    },
  ],
  [
    'preferred: the first replica',
    {
      reason: 'preferred',
      replicas: [1, 2],
      isr: [2, 1],
      live: [1, 2],
      expected: { leader: 1, isr: [2, 1], recipients: [1, 2] },
    },
  ],
  [
    'preferred: not in the ISR: none',
    { reason: 'preferred', replicas: [1, 2], isr: [2], live: [1, 2], expected: null },
  ],
  [
    'controlled shutdown: another one, the leaving broker out of the ISR',
    {
      reason: 'controlled-shutdown',
      replicas: [1, 2],
      isr: [1, 2],
      live: [2],
      shuttingDown: [1],
      expected: { leader: 2, isr: [2], recipients: [1, 2] },
    },
  ],
  [
    'controlled shutdown: alone in the ISR: none',
    { reason: 'controlled-shutdown', replicas: [1, 2], isr: [1], live: [2], shuttingDown: [1], expected: null },
  ],
]

test.each(rows)('elect: %s', (_, row) => {
  const { reason, replicas, isr, live, shuttingDown = [], unclean = false, removing = [], expected } = row
  const elected = electLeader({
    reason,
    assignment: { replicas, addingReplicas: [], removingReplicas: removing },
    leadership: {
      leader: 1,
      leaderEpoch: 4,
      inSyncReplicas: isr,
      leaderRecoveryState: 0,
      controllerEpoch: 1,
      partitionEpoch: 7,
    },
    online: id => live.includes(id),
    onlineOrShuttingDown: id => live.includes(id) || shuttingDown.includes(id),
    isShuttingDown: id => shuttingDown.includes(id),
    uncleanAllowed: unclean,
  })
  if (expected === null) expect(elected).toBeNull()
  else
    expect(elected).toEqual({
      leader: expected.leader,
      inSyncReplicas: expected.isr,
      leaderRecoveryState: expected.recovering === true ? 1 : 0,
      recipients: expected.recipients,
    })
})
