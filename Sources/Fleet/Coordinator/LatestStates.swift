// SPDX-License-Identifier: Apache-2.0

import Coordination
import WireMessages

/// The states from which running trials go on, so that their next leases need not be read from the ledger.
struct LatestStates {
    /// Beyond it all are forgotten: they are quickly read again.
    private static let limitBytes = 64 << 20

    private var states: [TrialID: WireTrainingState] = [:]
    private var bytes = 0

    /// The newest state of a trial; nil if it has to be read.
    subscript(trial: TrialID) -> WireTrainingState? { states[trial] }

    /// - Parameter state: of a segment that is on its way to disk; `forgetAll` if it does not get there.
    mutating func keep(_ state: WireTrainingState, of trial: TrialID) {
        forget(trial)
        if bytes + state.bytes > Self.limitBytes { forgetAll() }
        states[trial] = state
        bytes += state.bytes
    }

    mutating func forget(_ trial: TrialID) {
        if let old = states.removeValue(forKey: trial) { bytes -= old.bytes }
    }

    mutating func forgetAll() { self = LatestStates() }
}

extension WireTrainingState {
    fileprivate var bytes: Int { embedding.count + expAvg.count + expAvgSq.count + initial.count + best.count }
}
