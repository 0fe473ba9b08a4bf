import { expect, test } from '@jest/globals'
import { silentLogger } from '@millrace/runtime/logger'
import { TransportError } from '@millrace/runtime/transport-error'
import { AddressLimits } from './address-limits.ts'

test('host names: their addresses; a name without one is warned of and left out', async () => {
  const warned: unknown[] = []
  const limits = new AddressLimits({
    overrides: () =>
      new Map([
        ['10.0.0.1', 1],
        ['twin', 2],
        ['gone', 3],
      ]),
    transport: {
      resolve: host =>
        host === 'gone'
          ? Promise.reject(new TransportError('ENOTFOUND', 'gone: ENOTFOUND'))
          : Promise.resolve(host === 'twin' ? ['10.0.0.2', 'fe80::2'] : [host]),
    },
    logger: { ...silentLogger, warn: (_, fields) => void warned.push(fields?.['host']) },
  })
  expect(limits.byAddress.size).toBe(0)
  await limits.refresh()
  expect(Object.fromEntries(limits.byAddress)).toEqual({ '10.0.0.1': 1, '10.0.0.2': 2, 'fe80::2': 2 })
  expect(warned).toEqual(['gone'])
})

test('two changes, the answers to the first come last: the second holds', async () => {
  let overrides = new Map([['slow', 1]])
  const answers = new Map<string, (addresses: string[]) => void>()
  const limits = new AddressLimits({
    overrides: () => overrides,
    transport: { resolve: host => new Promise(resolve => answers.set(host, resolve)) },
    logger: silentLogger,
  })
  const first = limits.refresh()
  overrides = new Map([['quick', 2]])
  const second = limits.refresh()
  answers.get('quick')!(['10.0.0.2'])
  await second
  answers.get('slow')!(['10.0.0.1'])
  await first
  expect(Object.fromEntries(limits.byAddress)).toEqual({ '10.0.0.2': 2 })
})
