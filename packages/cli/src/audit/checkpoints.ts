// Every object that a checkpoint of the job names: is it there, with its size.
import { isTidemarkError } from '@tidemark/base'
import type { JobId, ObjectStore } from '@tidemark/base'
import { objectsOf, parseManifest, paths } from '@tidemark/checkpoint'
import type { Findings, Manifest } from '@tidemark/checkpoint'
import { getObject } from './run.ts'

export const auditCheckpoints = async (store: ObjectStore, job: JobId, findings: Findings): Promise<void> => {
  const suspects = await missing(store, job, findings)
  if (suspects.size === 0) return
  // A checkpoint that was completed, or removed, while it was listed looks the same: what is wrong is wrong twice.
  const again = await missing(store, job, undefined)
  for (const [key, message] of again) if (suspects.has(key)) findings.add('object-missing', message, { key })
}

const missing = async (store: ObjectStore, job: JobId, findings: Findings | undefined): Promise<Map<string, string>> => {
  const found = new Map<string, string>()
  const manifests = await manifestsOf(store, job, findings)
  const sizes = new Map((await store.list(paths.statePrefix(job))).map(({ key, sizeBytes }) => [key, sizeBytes]))
  for (const manifest of manifests) {
    findings?.count('checkpoints')
    for (const { key, sizeBytes } of objectsOf(manifest)) {
      findings?.count('objects')
      const size = sizes.get(key)
      if (size !== sizeBytes) found.set(key, `checkpoint ${manifest.checkpoint} names ${key} with ${sizeBytes} bytes; ${size === undefined ? 'it is not there' : `it has ${size}`}`)
    }
  }
  return found
}

/** Those that can't be read are told, or with nobody to tell left out. */
export const manifestsOf = async (store: ObjectStore, job: JobId, findings: Findings | undefined): Promise<Manifest[]> => {
  const manifests: Manifest[] = []
  for (const { key } of [...await store.list(paths.manifestPrefix(job)), ...await store.list(paths.savepointPrefix(job))]) {
    const body = await getObject(store, key)
    if (body === undefined) continue
    try {
      manifests.push(parseManifest(body, key))
    } catch (error) {
      if (!isTidemarkError(error)) throw error
      findings?.add('object-missing', error.message, { key })
    }
  }
  return manifests
}
