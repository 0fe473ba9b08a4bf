/**
 * Content of `.kafka_cleanshutdown`: the last thing an orderly shutdown writes to a log directory, and the first that the
 * next start deletes. In ZooKeeper mode the broker epoch is always -1. No newline at its end.
 */
export const cleanShutdownMarker = Buffer.from('{"version":0,"brokerEpoch":-1}')
