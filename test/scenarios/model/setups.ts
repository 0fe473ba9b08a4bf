import type { Bounds } from './model.ts'

const base: Bounds = {
  replicas: 3,
  logEnd: 2,
  lastEpoch: 2,
  heldFetches: 0,
  heldAlters: 0,
  copiedAlters: false,
  namesTerms: true,
  restarts: 0,
  successions: 0,
  shuns: 0,
  minInSyncReplicas: 1,
  lagTimeMaxMs: -1,
  truncatesOnFetch: true,
  staleOrders: false,
  fetchRecords: 2,
}

/** What is searched through: small, but everything may happen at any moment. */
export const searchBounds: Readonly<Record<string, Bounds>> = {
  atomic: base,
  copied: { ...base, lastEpoch: 1, copiedAlters: true },
  terms: { ...base, lastEpoch: 1, copiedAlters: true, successions: 2, shuns: 2 },
  'without terms': { ...base, lastEpoch: 1, copiedAlters: true, namesTerms: false, successions: 1, shuns: 2 },
  delayed: { ...base, lastEpoch: 1, heldFetches: 1 },
  restarted: { ...base, lastEpoch: 1, restarts: 1, heldFetches: 1 },
  'two delayed': { ...base, logEnd: 1, lastEpoch: 1, heldFetches: 2 },
  'delayed through three epochs': { ...base, logEnd: 1, heldFetches: 1 },
}

/** What is walked through at random: larger, and longer. */
export const walkBounds: Readonly<Record<string, Bounds>> = {
  'walk: any shrink': {
    ...base,
    logEnd: 6,
    lastEpoch: 5,
    heldFetches: 2,
    heldAlters: 1,
    copiedAlters: true,
    restarts: 1,
    successions: 3,
    shuns: 4,
    staleOrders: true,
  },
  'walk: lag time': {
    ...base,
    logEnd: 8,
    lastEpoch: 4,
    heldFetches: 2,
    heldAlters: 1,
    copiedAlters: true,
    successions: 2,
    shuns: 2,
    lagTimeMaxMs: 20,
    minInSyncReplicas: 2,
    staleOrders: true,
  },
  'walk: epoch ends asked for': {
    ...base,
    logEnd: 6,
    lastEpoch: 5,
    heldFetches: 2,
    heldAlters: 1,
    copiedAlters: true,
    namesTerms: false,
    shuns: 2,
    truncatesOnFetch: false,
    staleOrders: true,
    fetchRecords: 1,
  },
}
