import type { ControllerState } from './controller-state.ts'
import type { ControllerEvent } from './event.ts'
import { planBecomeController } from './plan-become-controller.ts'
import {
  planBrokerBehind,
  planBrokerModified,
  planBrokersChanged,
  planLeaderAndIsrAnswered,
  planLogFoldersFailed,
} from './plan-broker-change.ts'
import { planBalanceLeaders, planElectionsRequested } from './plan-leader-election.ts'
import { planIsrChanged, planReassignmentsRequested } from './plan-reassignment.ts'
import type { Plan } from './plan-step.ts'
import {
  planDeletionAnswered,
  planDeletionsChanged,
  planTopicModified,
  planTopicsChanged,
  planUncleanElectionEnabled,
} from './plan-topic-change.ts'

/** What to do about `event`: writes, requests and changes of `state`, one step after another. One plan runs at a time. */
export function plan(state: ControllerState, event: ControllerEvent): Plan {
  switch (event.event) {
    case 'elected':
      return planBecomeController(state, event)
    case 'brokers-changed':
      return planBrokersChanged(state, event.brokers)
    case 'broker-modified':
      return planBrokerModified(state, event.broker)
    case 'broker-behind':
      return planBrokerBehind(state, event.brokerId, event.brokerEpoch)
    case 'topics-changed':
      return planTopicsChanged(state, event.names, event.added)
    case 'topic-modified':
      return planTopicModified(state, event.topic, event.partitions)
    case 'deletions-changed':
      return planDeletionsChanged(state, event.topics)
    case 'log-folders-failed':
      return planLogFoldersFailed(state, event.brokerIds)
    case 'leader-and-isr-answered':
      return planLeaderAndIsrAnswered(state, event.brokerId, event.brokerEpoch, event.partitions)
    case 'deletion-answered':
      return planDeletionAnswered(state, event.brokerId, event.brokerEpoch, event.partitions)
    case 'unclean-election-enabled':
      return planUncleanElectionEnabled(state, event.topic)
    case 'isr-changed':
      return planIsrChanged(state, event.partitions)
    case 'reassignments-requested':
      return planReassignmentsRequested(state, event.requests)
    case 'elections-requested':
      return planElectionsRequested(state, event.partitions)
    case 'balance-due':
      return planBalanceLeaders(state, event.percentage)
  }
}
