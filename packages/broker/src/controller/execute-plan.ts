import { assert } from '@millrace/runtime/invariant'
import type { Logger } from '@millrace/runtime/logger'
import type { ControllerState } from '../core/controller/controller-state.ts'
import type { Plan, Step, StepAnswer } from '../core/controller/plan-step.ts'
import type { BrokerChannels } from './broker-channels.ts'
import type { ControllerTerm } from './controller-term.ts'
import { readLeadership } from './read-leadership.ts'
import { readUncleanTopics } from './read-unclean-topics.ts'
import { WriteExecutor } from './write-executor.ts'

export interface PlanContext {
  readonly term: ControllerTerm
  readonly state: ControllerState
  readonly channels: BrokerChannels
  readonly logger: Logger
  /** The broker's `unclean.leader.election.enable`, for topics without their own. */
  readonly uncleanByDefault: () => boolean
  /** False: nobody outside of an ISR may be elected now, whatever the settings say; the event comes again later. */
  readonly mayElectUncleanly: () => boolean
}

/**
 * Carries out a plan, step by step. Throws ControllerMoved when another controller was elected or the session ended:
 * nothing was written after that, and `state` is not to be used again.
 */
export async function executePlan<Answer>(context: PlanContext, plan: Plan<Answer>): Promise<Answer> {
  const { term, state, channels } = context
  term.check()
  let next = plan.next()
  while (next.done !== true) {
    const answer = answerAtOnce(context, next.value) ?? (await answerStep(context, next.value))
    term.check()
    next = plan.next(answer)
  }
  channels.follow(state.brokers)
  return next.value
}

function answerAtOnce({ state, channels, logger }: PlanContext, step: Step): StepAnswer | null {
  if (step.step === 'send') {
    channels.follow(state.brokers)
    channels.send(step.requests)
    return { step: 'send' }
  }
  if (step.step === 'note') {
    logger[step.level](step.message, step.fields)
    return { step: 'note' }
  }
  return null
}

async function answerStep(context: PlanContext, step: Step): Promise<StepAnswer> {
  const { term, logger, uncleanByDefault, mayElectUncleanly } = context
  switch (step.step) {
    case 'write':
      return { step: 'write', outcomes: await new WriteExecutor(term, logger).run(step.writes) }
    case 'read-leadership':
      return { step: 'read-leadership', leadership: await readLeadership(term, logger, step.partitions) }
    case 'read-unclean-topics':
      if (!mayElectUncleanly()) return { step: 'read-unclean-topics', topics: new Set() }
      return {
        step: 'read-unclean-topics',
        topics: await readUncleanTopics(term, step.topics, uncleanByDefault()),
      }
    default:
      assert(false, `${step.step} is answered at once`)
  }
}
