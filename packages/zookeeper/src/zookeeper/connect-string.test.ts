import { describe, expect, test } from '@jest/globals'
import { formatServers, parseConnectString } from './connect-string.ts'

describe('connect string', () => {
  test.each([
    ['localhost:2181', [['localhost', 2181]], ''],
    [
      'zk1:2181,zk2:2182,zk3:2183/kafka',
      [
        ['zk1', 2181],
        ['zk2', 2182],
        ['zk3', 2183],
      ],
      '/kafka',
    ],
    [
      'zk1, zk2 ,/a/b',
      [
        ['zk1', 2181],
        ['zk2', 2181],
      ],
      '/a/b',
    ],
    ['zk1/', [['zk1', 2181]], ''],
    [
      '[::1]:2181,[fe80::1%eth0]/x',
      [
        ['::1', 2181],
        ['fe80::1%eth0', 2181],
      ],
      '/x',
    ],
  ])('%s', (text, servers, chroot) => {
    expect(parseConnectString(text)).toEqual({ servers: servers.map(([host, port]) => ({ host, port })), chroot })
  })

  test.each([
    '',
    '/kafka',
    ',',
    'zk1:',
    'zk1:0',
    'zk1:65536',
    'zk1:port',
    '::1:2181',
    'zk1:2181:2182',
    'zk1/a/',
    'zk1//a',
    '[::1',
  ])('%j: BAD_ARGUMENTS, quoting it', text => {
    expect(() => parseConnectString(text)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENTS' }))
  })

  test('formatServers: as they were written', () => {
    const text = 'zk1:2181,[::1]:2182'
    expect(formatServers(parseConnectString(text).servers)).toBe(text)
  })
})
