// Readers of the inputs that are not the log.
import { TidemarkError } from '@tidemark/base'
import type { Clock, LogReader } from '@tidemark/base'
import { openGeneratorReader } from '@tidemark/runtime'
import type { LogicalPlan } from 'tidemark'

export const openReaders = (plan: LogicalPlan, clock: Clock, openFiles: () => LogReader): ((kind: 'file' | 'generator') => LogReader) =>
  (kind) => {
    switch (kind) {
      case 'file':
        return openFiles()
      case 'generator':
        return openGeneratorReader({ clock, generators: plan.nodes.flatMap((node) => (node.kind === 'source' && node.source.kind === 'generator' ? [{ topic: node.name, ...node.source }] : [])) })
      default:
        throw new TidemarkError(`no reader for sources of kind ${String(kind)}`, { code: 'SLOT_SOURCE_UNKNOWN', blame: 'bug', action: 'fail-job', job: plan.job })
    }
  }
