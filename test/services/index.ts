// Real Kafka, MinIO and Redis for tests: those that the environment names, else started here at first use, else a reason why not.
export { describeWhere, describeWith } from './describe.ts'
export { kcat, readCommitted } from './kcat.ts'
export { addPartitions, compactTopic, denyWriting, groupOffsets, setGroupOffsets } from './kafka-admin.ts'
export type { KcatRecord } from './kcat.ts'
export { startKafka, startMinio, startRedis } from './private.ts'
export { kafka, minio, redis } from './shared.ts'
export type { Addresses, Need, Service } from './shared.ts'
