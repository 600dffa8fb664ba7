// proto/ as proto-loader reads it.
import { loadSync } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'

const PROTO_FOLDER = fileURLToPath(new URL('../../../proto', import.meta.url))

export const loaded = loadSync(['tidemark/v1/cluster.proto', 'tidemark/v1/jobs.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto'], {
  includeDirs: [PROTO_FOLDER], longs: Number, enums: String, defaults: true, oneofs: true,
})
