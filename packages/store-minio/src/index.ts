// store-minio: the ObjectStore port on MinIO and any other S3 server that honours `If-None-Match`.
export { openMinioStore } from './minio-store.ts'
export type { MinioStoreOptions } from './minio-store.ts'
