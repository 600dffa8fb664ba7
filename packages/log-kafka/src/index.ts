// log-kafka: the Log port on Kafka. The only room that imports kafkajs.
export { openKafkaLog, parseBrokers } from './log.ts'
export type { KafkaLogOptions } from './log.ts'
export { repairKafkajs } from './patch.ts'
