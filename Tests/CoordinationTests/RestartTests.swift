// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

struct RestartTests {
    private func facts(state: TrialState, step: Int, attempt: Int, segments: [SegmentFact]) -> StudyFacts {
        StudyFacts(
            plan: Bench.plan, state: .running,
            trials: [
                TrialFacts(
                    record: TrialRecord(trial: Bench.trial, state: state, step: step, attempt: attempt), segments: segments)
            ])
    }

    private let first = SegmentFact(fromStep: 0, toStep: 40, attempt: 3, digest: "0-40", finished: false)

    @Test func theHolderOfALeaseClaimsItAfterARestart() {
        var bench = Bench([facts(state: .running, step: 40, attempt: 4, segments: [first])])
        bench.hello(ben)
        #expect(bench.take().grants.isEmpty)
        bench.hello(ada, holding: [progress(4, at: 55)])
        #expect(bench.take().cancelled.isEmpty)
        #expect(bench.trial?.worker == ada && bench.trial?.liveStep == 55 && bench.trial?.attempt == 4)
        bench.send(.segmentResult(report(ada, 4, 40, 80)))
        #expect(bench.take().acknowledgements == [.accepted])
    }

    @Test func anUnclaimedLeaseIsGrantedWithTheNextAttemptNumber() {
        var bench = Bench([facts(state: .running, step: 40, attempt: 4, segments: [first])])
        bench.pass(.seconds(5), alive: [:])
        bench.hello(ben)
        #expect(bench.take().grants == [Grant(worker: ben, lease: lease(5), fromStep: 40, toStep: 80)])
    }

    @Test func segmentsAreBelievedMoreThanRows() {
        let last = SegmentFact(fromStep: 40, toStep: 100, attempt: 4, digest: "x", finished: false)
        var bench = Bench([facts(state: .running, step: 40, attempt: 4, segments: [first, last])])
        bench.send(.tick)
        let actions = bench.take()
        #expect(actions.contains(.recordTrial(TrialRecord(trial: Bench.trial, state: .complete, step: 100, attempt: 4))))
        #expect(actions.contains(.studyFinished(StudyID(1), .complete, reason: "")))
    }

    @Test func aResultResentAfterARestartIsADuplicate() {
        var bench = Bench([facts(state: .running, step: 40, attempt: 4, segments: [first])])
        bench.hello(ada)
        bench.send(.segmentResult(report(ada, 3, 0, 40)))
        #expect(bench.take().acknowledgements == [.duplicate])
    }
}
