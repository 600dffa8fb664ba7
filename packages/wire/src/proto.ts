// proto/ as proto-loader reads it.
import { loadSync } from '@grpc/proto-loader'
import { fileOf } from '@tidemark/base'

const PROTO_FOLDER = fileOf(import.meta.url, '../../../proto', '../proto')

export const loaded = loadSync(['tidemark/v1/cluster.proto', 'tidemark/v1/jobs.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto'], {
  includeDirs: [PROTO_FOLDER], longs: Number, enums: String, defaults: true, oneofs: true,
})
