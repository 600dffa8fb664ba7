// Stores a definition whose writer answers somebody for it: a submission, a cancellation.
import type { Definition } from '@tidemark/checkpoint'
import { writeDefinition } from './definition.ts'
import type { DriverPorts, Leadership } from './ports.ts'
import { stillLeads } from './still-leads.ts'
import { untilAnswered, untilKnown } from './until-answered.ts'

/**
 * From this definition on it counts: whoever leads acts on it. So nobody is told anything, neither the core nor the client, before it is known to be written, and
 * written by one that led then: who leads next records its epoch before it reads, and finds it. Once it has been sent it may be there whatever the object store
 * answers, so that there is no way back: only the end of this driver's leadership or of its process is an end.
 */
export const storeDefinition = async (ports: DriverPorts, leadership: Leadership, definition: Definition): Promise<void> => {
  const { job, run } = definition
  await untilAnswered(ports, { job, run }, async (noWayBack) => {
    await stillLeads(ports, leadership)
    await writeDefinition(ports.store, definition, noWayBack)
  })
  await untilKnown(ports, { job, run }, () => stillLeads(ports, leadership))
}
