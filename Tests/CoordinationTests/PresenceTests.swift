// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Workers that come, fall silent, leave and return.
struct PresenceTests {
    @Test func aSilentWorkerIsSuspectThenLostAndItsWorkGoesToAnother() {
        var bench = started()
        bench.hello(ben)
        _ = bench.take()
        bench.pass(.seconds(7), alive: [ben: []])
        #expect(bench.worker(ada)?.state == .suspect && bench.take().grants.isEmpty)
        bench.pass(.seconds(10), alive: [ben: []])
        #expect(bench.worker(ada)?.state == .lost)
        #expect(bench.take().grants == [Grant(worker: ben, lease: lease(2), fromStep: 0, toStep: 40)])
        #expect(bench.trial?.crashes == 0)
    }

    @Test func aLostWorkerThatComesBackDeliversWhatIsStillNeeded() {
        var bench = started()
        bench.pass(.seconds(20))
        #expect(bench.worker(ada)?.state == .lost && bench.trial?.state == .waiting)
        _ = bench.take()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        #expect(bench.take().acknowledgements == [.accepted])
        #expect(bench.worker(ada)?.state == .connected && bench.trial?.step == 40)
    }

    @Test func aBrokenConnectionGivesTheWorkerAMomentToReturn() {
        var bench = started()
        bench.hello(ben)
        bench.send(.workerHeartbeat(ada, holding: [progress(1, at: 7)]))
        bench.send(.workerUnreachable(ada))
        bench.pass(.seconds(2), alive: [ben: []])
        bench.hello(ada, holding: [progress(1, at: 9)])
        bench.pass(.seconds(30), alive: [ben: [], ada: [progress(1, at: 12)]])
        #expect(bench.trial?.worker == ada && bench.trial?.liveStep == 12 && bench.trial?.attempt == 1)
    }

    @Test func silenceAndGoodbyesNeverCountAgainstATrial() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        for attempt in 1...20 {
            let worker = WorkerID("w\(attempt)")
            bench.hello(worker)
            bench.send(.workerHeartbeat(worker, holding: [progress(attempt, at: 1)]))
            if attempt.isMultiple(of: 2) { bench.send(.workerGoodbye(worker)) } else { bench.pass(.seconds(17)) }
        }
        #expect(bench.trial?.state == .waiting && bench.trial?.crashes == 0 && bench.trial?.attempt == 20)
    }

    @Test func aStoppedCoordinatorGivesEverybodyOneFullLease() {
        var bench = started()
        bench.hello(ben)
        bench.send(.workerHeartbeat(ada, holding: [progress(1, at: 7)]))
        bench.now = bench.now + .seconds(3600)
        bench.send(.tick)
        #expect(bench.worker(ada)?.state == .connected && bench.trial?.worker == ada)
        bench.pass(.seconds(15), alive: [ben: []])
        #expect(bench.trial?.worker == ada)
        bench.pass(.seconds(2), alive: [ben: []])
        #expect(bench.trial?.worker == ben)
    }

    @Test func aClockThatRunsBackwardsIsIgnored() {
        var bench = started()
        bench.now = Instant(milliseconds: -1_000_000)
        bench.send(.tick)
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        #expect(bench.trial?.step == 40)
    }

    @Test func aDrainingWorkerFinishesAndGetsNothingNew() {
        var bench = started()
        bench.send(.workerDrained(ada))
        _ = bench.take()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        let actions = bench.take()
        #expect(actions.acknowledgements == [.accepted] && actions.grants.isEmpty)
        #expect(bench.worker(ada)?.state == .draining)
    }

    @Test func aWorkerThatHoldsOnToAnotherLeaseGetsNothingNewUntilItLetsGo() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        bench.hello(ada, holding: [progress(3, at: 2)])
        var actions = bench.take()
        #expect(actions.cancelled == [lease(3)] && actions.grants.isEmpty)
        bench.send(.workerHeartbeat(ada, holding: []))
        actions = bench.take()
        #expect(actions.grants.map(\.lease) == [lease(1)])
    }
}
