// Whether this leadership is the newest, by the epochs that are recorded in the object store.
import { TidemarkError } from '@tidemark/base'
import { paths } from '@tidemark/checkpoint'
import type { DriverPorts, Leadership } from './ports.ts'

/** Rejects with `DRIVER_NOT_LEADER` when another driver has recorded a higher epoch. */
export const stillLeads = async ({ store }: Pick<DriverPorts, 'store'>, leadership: Pick<Leadership, 'epoch'>): Promise<void> => {
  const epochs = (await store.list(paths.driverEpochPrefix)).flatMap(({ key }) => paths.parseDriverEpoch(key) ?? [])
  if (epochs.every((epoch) => epoch <= leadership.epoch)) return
  throw new TidemarkError('another driver leads since', { code: 'DRIVER_NOT_LEADER', blame: 'environment', action: 'retry', hint: 'Try again in a moment.' })
}
