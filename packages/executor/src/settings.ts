// Settings of an executor and its slots. Slots read the same environment.
import { setting } from '@tidemark/base'
import type { Settings } from '@tidemark/base'

export const EXECUTOR_SETTINGS = {
  kafka: setting.addresses('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it the embedded log is used.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', 'Folder of the embedded log and store, and of pid files. Default: .tidemark'),
  s3Endpoint: setting.url('TIDEMARK_S3_ENDPOINT', ['http', 'https'], 'S3 endpoint, http://host:port. Without it objects are kept in TIDEMARK_DIR.'),
  s3AccessKey: setting.text('TIDEMARK_S3_ACCESS_KEY', '', 'Access key of the object store.'),
  s3SecretKey: setting.text('TIDEMARK_S3_SECRET_KEY', '', 'Secret key of the object store.'),
  s3Bucket: setting.bucket('TIDEMARK_S3_BUCKET'),
  driver: setting.addresses('TIDEMARK_DRIVER', '127.0.0.1:7400', 'Drivers to register with, host:port, comma-separated. Default: 127.0.0.1:7400'),
  label: setting.text('TIDEMARK_LABEL', '', 'Name shown to people; two executors may have the same. Default: host name and pid'),
  probeHost: setting.matching('TIDEMARK_PROBE_HOST', '127.0.0.1', /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/, 'a host name or address without port', 'Host under which the driver reaches this executor. Default: 127.0.0.1'),
  slots: setting.integer('TIDEMARK_SLOTS', 1, 'Slot processes. Default: 1', 1),
  slotHeapMiB: setting.integer('TIDEMARK_SLOT_HEAP', 2_048, 'Heap of a slot process, MiB. Default: 2048', 64),
  slotMemoryMiB: setting.integer('TIDEMARK_SLOT_MEMORY', 0, 'Resident memory at which a slot process is killed, MiB; buffers outside of the heap count too. Default: its heap and 1024', 0),
  slotStuckMs: setting.durationMs('TIDEMARK_SLOT_STUCK', 30_000, 'A slot that says nothing for this long is killed. Default: 30s'),
  faultFolder: setting.text('TIDEMARK_FAULT_FOLDER', '', 'For crash tests: folder of armed fault points. Default: none'),
  logLevel: setting.logLevel('TIDEMARK_LOG_LEVEL'),
} as const

/** A slot says something several times a second; a full collection of a large heap takes longer. */
const SLOT_STUCK_MIN_MS = 1_000

/** How settings must stand to each other; sentences that name both. */
export const checkAcross = ({ slotHeapMiB, slotMemoryMiB, slotStuckMs }: Settings<typeof EXECUTOR_SETTINGS>): string[] => {
  const problems: string[] = []
  if (slotMemoryMiB > 0 && slotMemoryMiB <= slotHeapMiB) problems.push(`TIDEMARK_SLOT_MEMORY (${slotMemoryMiB} MiB) must be more than TIDEMARK_SLOT_HEAP (${slotHeapMiB} MiB): a slot that uses its heap would be killed for it`)
  if (slotStuckMs < SLOT_STUCK_MIN_MS) problems.push(`TIDEMARK_SLOT_STUCK (${slotStuckMs} ms) must be at least ${SLOT_STUCK_MIN_MS} ms: a pause to collect garbage would be taken for being stuck`)
  return problems
}

/** What a slot may take beside its heap, unless set. */
const BESIDE_HEAP_MIB = 1_024

export const slotMemoryBytes = ({ slotHeapMiB, slotMemoryMiB }: { readonly slotHeapMiB: number, readonly slotMemoryMiB: number }): number =>
  (slotMemoryMiB > 0 ? slotMemoryMiB : slotHeapMiB + BESIDE_HEAP_MIB) * 1024 * 1024
