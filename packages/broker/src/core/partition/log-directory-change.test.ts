import { describe, expect, test } from '@jest/globals'
import { errorName } from '@millrace/protocol/errors'
import { judgeLogDirectoryChange, type LogDirectoryChange } from './log-directory-change.ts'

const usual: LogDirectoryChange = {
  directory: '/b',
  target: 'online',
  isAnyOffline: false,
  isNameTooLong: false,
  replica: 'online',
  isPartitionKnown: true,
  currentDirectory: '/a',
  futureDirectory: null,
}

/** `NONE begins`, `REPLICA_NOT_AVAILABLE remembered`… */
function judged(change: Partial<LogDirectoryChange>): string {
  const { errorCode, isMoveCancelled, isRemembered, begins } = judgeLogDirectoryChange({ ...usual, ...change })
  const done = [isMoveCancelled && 'cancelled', isRemembered && 'remembered', begins && 'begins']
  return [errorName(errorCode), ...done.filter(each => each !== false)].join(' ')
}

describe('AlterReplicaLogDirs, one replica', () => {
  const absent = { replica: 'absent', currentDirectory: null } as const
  test.each<[string, Partial<LogDirectoryChange>, string]>([
    ['another directory', {}, 'NONE remembered begins'],
    ['where it is', { directory: '/a' }, 'NONE'],
    ['where it is going already', { futureDirectory: '/b' }, 'NONE'],
    ['where it is, while it goes elsewhere', { directory: '/a', futureDirectory: '/b' }, 'NONE cancelled'],
    ['a third directory, while it goes elsewhere', { futureDirectory: '/c' }, 'NONE cancelled remembered begins'],
    ['not in log.dirs', { target: 'unknown' }, 'LOG_DIR_NOT_FOUND'],
    ['a directory that is offline', { target: 'offline', isAnyOffline: true }, 'KAFKA_STORAGE_ERROR'],
    ['a replica that is offline', { replica: 'offline', isAnyOffline: true }, 'KAFKA_STORAGE_ERROR'],
    ['some other directory is offline', { isAnyOffline: true }, 'KAFKA_STORAGE_ERROR remembered'],
    ['where it is, and another directory is offline', { directory: '/a', isAnyOffline: true }, 'NONE'],
    ['not given to this broker yet', absent, 'REPLICA_NOT_AVAILABLE remembered'],
    ['unknown', { ...absent, isPartitionKnown: false }, 'UNKNOWN_TOPIC_OR_PARTITION remembered'],
    [
      'not given to this broker, but its log lies there',
      { ...absent, currentDirectory: '/b' },
      'REPLICA_NOT_AVAILABLE',
    ],
    ['a name too long', { isNameTooLong: true, target: 'unknown' }, 'INVALID_TOPIC_EXCEPTION'],
  ])('%s', (_, change, expected) => {
    expect(judged(change)).toBe(expected)
  })

  test('any state: a move begins only from an online log, to another online directory, with nothing offline and no error', () => {
    const bools = [false, true]
    for (const target of ['online', 'offline', 'unknown'] as const)
      for (const replica of ['online', 'offline', 'absent'] as const)
        for (const isAnyOffline of bools)
          for (const isNameTooLong of bools)
            for (const currentDirectory of ['/a', '/b', null])
              for (const futureDirectory of ['/b', '/c', null]) {
                const change = { target, replica, isAnyOffline, isNameTooLong, currentDirectory, futureDirectory }
                const verdict = judgeLogDirectoryChange({ ...usual, ...change })
                if (verdict.errorCode !== 0) expect(verdict.begins).toBe(false)
                if (verdict.begins) {
                  const isPossible =
                    target === 'online' && replica === 'online' && !isAnyOffline && currentDirectory !== '/b'
                  expect(isPossible && (futureDirectory === null || verdict.isMoveCancelled)).toBe(true)
                }
                if (verdict.isMoveCancelled) expect(futureDirectory).toBe('/c')
              }
  })
})
