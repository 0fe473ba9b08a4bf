/** Bit n stands for operation n of Kafka's AclOperation. Without an authorizer everything that the resource knows is allowed. */
const Operation = {
  read: 1 << 3,
  write: 1 << 4,
  create: 1 << 5,
  delete: 1 << 6,
  alter: 1 << 7,
  describe: 1 << 8,
  clusterAction: 1 << 9,
  describeConfigs: 1 << 10,
  alterConfigs: 1 << 11,
  idempotentWrite: 1 << 12,
} as const

/** The client did not ask. */
export const OPERATIONS_NOT_REQUESTED = -2147483648

export const ALL_TOPIC_OPERATIONS =
  Operation.read |
  Operation.write |
  Operation.create |
  Operation.delete |
  Operation.alter |
  Operation.describe |
  Operation.describeConfigs |
  Operation.alterConfigs

export const ALL_CLUSTER_OPERATIONS =
  Operation.create |
  Operation.alter |
  Operation.describe |
  Operation.clusterAction |
  Operation.describeConfigs |
  Operation.alterConfigs |
  Operation.idempotentWrite

export const ALL_GROUP_OPERATIONS = Operation.read | Operation.delete | Operation.describe
