// connectors: sources and sinks that are not the log: NDJSON files, stdout, and a marker sink in memory for tests.
export { openFileReader } from './file-reader.ts'
export type { FileReaderOptions } from './file-reader.ts'
export { openFileSink } from './file-sink.ts'
export type { FileSinkOptions } from './file-sink.ts'
export { openMarkerSink } from './marker-sink.ts'
export type { MarkerEntry, MarkerStore } from './marker-sink.ts'
export { openStdoutSink } from './stdout-sink.ts'
