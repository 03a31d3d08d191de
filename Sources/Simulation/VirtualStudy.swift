// SPDX-License-Identifier: Apache-2.0

import Coordination

/// A study whose training is a chain of integers: a pure function of the study, like the real one.
///
/// `parallel: trials` and `parallel: data` give the same chain, whoever computes it.
struct VirtualStudy: Sendable {
    let plan: StudyPlan
    /// Slices of a gradient step.
    let slices: Int
    /// Slices of the evaluation at the end of a segment; 0 for none.
    let evaluationSlices: Int

    /// The state of a trial before its first step.
    func initial(_ trial: TrialID) -> UInt64 {
        SplitMix64.mix(UInt64(truncatingIfNeeded: trial.study.rawValue) << 32 ^ UInt64(trial.index) &+ 1)
    }

    func slice(_ slice: Int, step: Int, isEvaluation: Bool, state: UInt64) -> UInt64 {
        SplitMix64.mix(state ^ UInt64(step) << 20 ^ UInt64(slice) << 1 ^ (isEvaluation ? 1 : 0))
    }

    /// The state after a step whose slices are given in order.
    static func advanced(_ state: UInt64, by slices: [UInt64]) -> UInt64 {
        slices.reduce(state) { SplitMix64.mix($0 &* 31 &+ $1) }
    }

    /// What one worker computes.
    func trained(_ state: UInt64, from: Int, to: Int) -> UInt64 {
        var state = state
        for step in from..<max(from, to) {
            var sum = state
            for slice in 0..<slices {
                sum = SplitMix64.mix(sum &* 31 &+ self.slice(slice, step: step, isEvaluation: false, state: state))
            }
            state = sum
        }
        return state
    }

    func encoded(_ part: Int) -> UInt64 { SplitMix64.mix(UInt64(truncatingIfNeeded: plan.id.rawValue) << 40 ^ UInt64(part)) }

    /// Some trials end before their last step.
    func lastStep(_ index: Int) -> Int { index % 5 == 3 ? max(1, plan.steps - 1) : plan.steps }

    /// Where the segment that starts at `from` ends, and whether the trial ends there before its time.
    func end(of index: Int, after from: Int) -> (step: Int, finished: Bool) {
        let end = plan.segmentEnd(after: from)
        let last = lastStep(index)
        return last <= end && last < plan.steps ? (last, true) : (end, false)
    }
}

/// A digest that holds the whole number: the simulation needs no other way to carry it.
func digest(_ value: UInt64) -> String { String(value, radix: 36) }

func value(of digest: String) -> UInt64 { UInt64(digest, radix: 36) ?? 0 }
