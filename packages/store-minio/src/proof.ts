// Proves by trying it that a store does what the protocol stands on: conditional put, read-after-write, list-after-write, delete.
import { isTidemarkError, TidemarkError } from '@tidemark/base'
import type { ObjectStore, Random } from '@tidemark/base'

const refuse = (store: ObjectStore, what: string): TidemarkError =>
  new TidemarkError(`${store.name} ${what}`, {
    code: 'STORE_UNSUPPORTED', blame: 'environment', action: 'exit',
    hint: 'Without this two drivers could both lead, or a checkpoint could name what is not there. Use an S3 server with conditional writes: MinIO since 2024, AWS S3 and others have them.',
  })

/** Works on a scratch object of its own under `.tidemark/`, which is deleted again. Rights refused and no bucket are mistakes at the start: `STORE_UNUSABLE`. */
export const proveStore = async (store: ObjectStore, random: Random): Promise<void> => {
  // No job's name begins with a dot.
  const key = `.tidemark/check-${random.uuid()}`
  const [first, second, third] = ['first', 'second', 'third'].map((text) => Buffer.from(`${text} ${random.uuid()}`)) as [Buffer, Buffer, Buffer]
  try {
    if (await store.putIfAbsent(key, first) !== 'created') throw refuse(store, 'refuses a conditional put of an object that does not exist')
    if (!(await store.get(key)).equals(first)) throw refuse(store, 'does not answer with what was put just now (no read-after-write)')
    if (await store.putIfAbsent(key, second) !== 'exists') throw refuse(store, 'ignores If-None-Match: a second conditional put replaced the first object')
    if (!(await store.get(key)).equals(first)) throw refuse(store, 'refused a conditional put, but stored it')
    await store.put(key, third)
    if (!(await store.get(key)).equals(third)) throw refuse(store, 'answers with an old object after it was replaced (no read-after-write)')
    if (!(await store.getRange(key, 1, 3)).equals(third.subarray(1, 4))) throw refuse(store, 'answers a range with other bytes')
    if ((await store.list(key)).length !== 1) throw refuse(store, 'does not list an object that was put just now')
    await store.delete([key])
    if ((await store.list(key)).length !== 0) throw refuse(store, 'lists an object that was deleted just now')
  } catch (error) {
    if (isTidemarkError(error) && error.code === 'STORE_UNSUPPORTED') await store.delete([key]).catch(() => {})
    if (isTidemarkError(error) && (error.code === 'STORE_DENIED' || error.code === 'STORE_BUCKET_MISSING')) {
      throw new TidemarkError(error.message, { code: 'STORE_UNUSABLE', blame: 'user', action: 'exit', cause: error, ...(error.hint ? { hint: error.hint } : {}) })
    }
    throw error
  }
}
