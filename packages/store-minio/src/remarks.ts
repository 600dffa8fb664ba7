// What a person should know of a store that can be used: a server on one drive, versions that are kept for ever. Asked for, never needed.
import type { Client } from 'minio'
import type { Clock } from '@tidemark/base'

/** What one GET without credentials was answered with; undefined: nothing. */
type Ask = (path: string) => Promise<Headers | undefined>

/** MinIO's page for load balancers tells how many drives a write has to reach: one, when there is only one. */
export const HEALTH_PATH = '/minio/health/cluster'
const WRITE_QUORUM = 'x-minio-write-quorum'
const ASK_MS_MAX = 3_000

export const askOver = (origin: string, clock: Clock): Ask => async (path) => {
  const late = new AbortController()
  const timer = clock.after(ASK_MS_MAX, () => late.abort())
  try {
    const answer = await fetch(`${origin}${path}`, { signal: late.signal })
    await answer.body?.cancel()
    return answer.headers
  } catch {
    return undefined
  } finally {
    timer.cancel()
  }
}

export const drivesRemark = (health: Headers | undefined): string | undefined =>
  health?.get(WRITE_QUORUM) === '1' ? 'this MinIO keeps everything on one drive: with that drive every checkpoint is gone, and jobs only have what their journals and inputs still hold. Give it four drives or more, or copy the bucket elsewhere' : undefined

/** `unknown`: it can't be asked, or has no such thing. */
export type Versioning = 'on' | 'off' | 'unknown'

export const versioningOf = async (client: Pick<Client, 'getBucketVersioning'>, bucket: string): Promise<Versioning> => {
  try {
    const { Status: status } = await client.getBucketVersioning(bucket) as { readonly Status?: string }
    return status === 'Enabled' ? 'on' : 'off'
  } catch {
    return 'unknown'
  }
}

export const versioningRemark = (versioning: Versioning): string | undefined => {
  if (versioning === 'off') return 'the bucket keeps no versions: an object that is deleted by mistake is gone. Turn versioning on, with a rule that ends old versions after some days'
  if (versioning === 'on') return undefined
  return 'whether the bucket keeps versions of deleted objects can\'t be asked: the server does not say, or not with these rights'
}
