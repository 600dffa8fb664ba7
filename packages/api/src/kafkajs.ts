// tidemark/kafkajs: for Node programs that read a job's output by kafkajs. Opens log-kafka, which job files never load.
import { repairKafkajs as repair } from '@tidemark/log-kafka'

/**
 * kafkajs 2.2.4 shows some records of aborted transactions to readers that read committed, whatever they set. This repairs the copy of it
 * that the calling file would import: `repairKafkajs(import.meta.url)`, or `repairKafkajs(__filename)`. Call it before the first consumer.
 *
 * Errors: `LOG_CLIENT_MISSING` (no kafkajs is found from there), `LOG_CLIENT_VERSION` (another release: not tried, so refused).
 */
export const repairKafkajs: (from: string | URL) => void = repair
