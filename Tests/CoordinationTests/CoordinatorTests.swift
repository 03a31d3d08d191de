// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Trials, their segments and what becomes of them.
struct CoordinatorTests {
    @Test func aTrialGoesFromSegmentToSegmentUntilItsStudyIsComplete() {
        var bench = started()
        #expect(bench.take().grants == [Grant(worker: ada, lease: lease(1), fromStep: 0, toStep: 40)])
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        #expect(bench.take().grants == [Grant(worker: ada, lease: lease(2), fromStep: 40, toStep: 80)])
        bench.send(.segmentResult(report(ada, 2, 40, 80)))
        #expect(bench.take().grants == [Grant(worker: ada, lease: lease(3), fromStep: 80, toStep: 100)])
        bench.send(.segmentResult(report(ada, 3, 80, 100)))
        let actions = bench.take()
        #expect(actions.contains(.studyFinished(StudyID(1), .complete, reason: "")))
        #expect(actions.acknowledgements == [.accepted] && actions.grants.isEmpty)
        #expect(bench.trial?.state == .complete && bench.trial?.step == 100)
    }

    @Test func aResultIsAcknowledgedOnlyAfterTheDiskSaidSo() {
        var coordinator = started().coordinator
        let now = Instant(milliseconds: 5)
        let first = coordinator.handle(.segmentResult(report(ada, 1, 0, 40)), at: now)
        #expect(first == [.persist(report(ada, 1, 0, 40), .segment)])
        let again = coordinator.handle(.segmentResult(report(ada, 1, 0, 40)), at: now)
        #expect(again.isEmpty)
        let after = coordinator.handle(.resultPersisted(report(ada, 1, 0, 40), .segment), at: now)
        #expect(after.acknowledgements == [.accepted])
    }

    @Test func aDiskThatRefusesLeavesTheResultWithItsWorker() {
        var coordinator = started().coordinator
        let result = report(ada, 1, 0, 40)
        _ = coordinator.handle(.segmentResult(result), at: Instant(milliseconds: 5))
        let refused = coordinator.handle(.resultNotPersisted(result, .segment), at: Instant(milliseconds: 6))
        #expect(refused.isEmpty)
        #expect(coordinator.snapshot(now: Instant(milliseconds: 7)).isStorageBlocked)
        let again = coordinator.handle(.segmentResult(result), at: Instant(milliseconds: 1000))
        #expect(again == [.persist(result, .segment)])
    }

    @Test func nothingIsGrantedWhileTheDiskRefusesAttemptNumbers() {
        var bench = started()
        bench.send(.grantNotPersisted(lease(1)))
        #expect(bench.take().grants.map(\.lease) == [lease(1)])
        bench.send(.tick)
        #expect(bench.take().grants.isEmpty)
        bench.pass(.seconds(5), alive: [ada: []])
        #expect(bench.take().grants.map(\.lease) == [lease(2)])
    }

    @Test func aDoubledResultChangesNothing() {
        var bench = started()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        _ = bench.take()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        #expect(bench.take() == [.acknowledge(report(ada, 1, 0, 40), .duplicate)])
        #expect(bench.trial?.step == 40)
    }

    @Test func otherBitsForTheSameStepsAreKeptAndRaiseTheAlarmOnce() {
        var bench = started()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        bench.hello(ben)
        _ = bench.take()
        let other = report(ben, 1, 0, 40, digest: "other")
        bench.send(.segmentResult(other))
        let actions = bench.take()
        #expect(actions.first == .persist(other, .conflict))
        #expect(actions.alarms == 1 && actions.acknowledgements == [.conflict])
        bench.send(.segmentResult(other))
        #expect(bench.take() == [.acknowledge(other, .conflict)])
        #expect(bench.trial?.alarms == 1 && bench.trial?.step == 40)
    }

    @Test func aLateResultOvertakesTheSecondAttempt() {
        var bench = started()
        bench.hello(ben)
        bench.pass(.seconds(20), alive: [ben: []])
        _ = bench.take()
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        let actions = bench.take()
        #expect(actions.cancelled == [lease(2)] && actions.acknowledgements == [.accepted])
        bench.send(.segmentResult(report(ben, 2, 0, 40)))
        #expect(bench.take().acknowledgements == [.duplicate])
    }

    @Test func resultsThatNobodyNeedsAreRefusedPolitely() {
        var bench = started()
        bench.send(.segmentResult(report(ada, 1, 40, 80)))
        bench.send(.segmentResult(report(ada, 1, 0, 30)))
        bench.send(.segmentResult(report(ada, 1, 0, -5, finished: true)))
        bench.send(.segmentResult(report(ada, 7, 0, 40)))
        bench.send(.segmentResult(report(ada, 0, 0, 40)))
        bench.send(.segmentResult(report(ada, 1, 0, 40, index: 9)))
        let answers = bench.take().acknowledgements
        #expect(answers.count == 6)
        for answer in answers {
            guard case .stale(let reason) = answer else {
                Issue.record("\(answer) is not stale")
                continue
            }
            #expect(!reason.isEmpty)
        }
        #expect(bench.trial?.step == 0)
    }

    @Test func aTrialMayEndBeforeItsLastStep() {
        var bench = started()
        bench.send(.segmentResult(report(ada, 1, 0, 13, finished: true)))
        #expect(bench.trial?.state == .complete && bench.trial?.step == 13 && bench.state == .complete)
    }

    @Test func badInputFailsTheTrialAtOnceWithItsMessage() {
        var bench = started()
        bench.send(.leaseFailed(ada, lease(1), .input, message: "pictures/3.png: not a picture"))
        #expect(bench.trial?.state == .failed && bench.trial?.failure == "pictures/3.png: not a picture")
        #expect(bench.take().contains(.studyFinished(StudyID(1), .failed, reason: "none of its trials is complete")))
    }

    @Test func crashesAreRetriedUpToTheLimitAndProgressClearsThem() {
        var bench = started()
        for attempt in 1...4 { bench.send(.leaseFailed(ada, lease(attempt), .internal, message: "out of memory")) }
        #expect(bench.trial?.state == .running && bench.trial?.crashes == 4)
        bench.send(.segmentResult(report(ada, 5, 0, 40)))
        #expect(bench.trial?.crashes == 0)
        for attempt in 6...10 { bench.send(.leaseFailed(ada, lease(attempt), .internal, message: "out of memory")) }
        #expect(bench.trial?.state == .failed)
        #expect(bench.trial?.failure == "steps 40 to 80 crashed their worker 5 times without progress; the last time: out of memory")
    }

    @Test func aDoubledFailureCountsOnce() {
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        bench.hello(ada)
        for _ in 0..<9 { bench.send(.leaseFailed(ada, lease(1), .internal, message: "crash")) }
        #expect(bench.trial?.crashes == 1)
    }

    @Test func theNextSegmentGoesToTheWorkerThatHasTheStudyInMemory() {
        let (earlier, later) = (WorkerID("a"), WorkerID("b"))
        var bench = Bench()
        bench.send(.studySubmitted(Bench.plan))
        bench.hello(later)
        bench.hello(earlier)
        #expect(bench.take().grants.map(\.worker) == [later])
        bench.send(.segmentResult(report(later, 1, 0, 40)))
        #expect(bench.take().grants.map(\.worker) == [later])
    }

    @Test func studiesAreServedBySubmissionAndTrialsByIndex() {
        var bench = Bench()
        bench.send(.studySubmitted(StudyPlan(id: StudyID(1), name: "a", trialCount: 2, steps: 10, segmentSteps: 50)))
        bench.send(.studySubmitted(StudyPlan(id: StudyID(2), name: "b", trialCount: 1, steps: 10, segmentSteps: 5)))
        for name in ["w1", "w2", "w3", "w4"] { bench.hello(WorkerID(name)) }
        #expect(bench.take().grants.map(\.lease.description) == ["train 1.0 attempt 1", "train 1.1 attempt 1", "train 2.0 attempt 1"])
    }

    @Test func cancellingAStudyCallsOffItsLeasesAndRefusesItsResults() {
        var bench = started()
        _ = bench.take()
        bench.send(.studyCancelled(StudyID(1)))
        let actions = bench.take()
        #expect(
            actions.cancelled == [lease(1)] && actions.contains(.studyFinished(StudyID(1), .cancelled, reason: "the study was cancelled")))
        bench.send(.segmentResult(report(ada, 1, 0, 40)))
        #expect(bench.take().acknowledgements == [.stale(reason: "the trial is pruned")])
        #expect(bench.trial?.state == .pruned && bench.trial?.step == 0)
    }

    @Test func aResultOnItsWayToTheDiskCountsEvenIfTheStudyIsCancelledMeanwhile() {
        var coordinator = started().coordinator
        let now = Instant(milliseconds: 1)
        let result = report(ada, 1, 0, 40)
        _ = coordinator.handle(.segmentResult(result), at: now)
        _ = coordinator.handle(.studyCancelled(StudyID(1)), at: now)
        #expect(coordinator.snapshot(of: StudyID(1))?.trials[0].state.isTerminal == false)
        let actions = coordinator.handle(.resultPersisted(result, .segment), at: now)
        #expect(actions.acknowledgements == [.accepted])
        #expect(coordinator.snapshot(of: StudyID(1))?.trials[0].state == .pruned)
        #expect(coordinator.snapshot(of: StudyID(1))?.trials[0].step == 40)
    }

    @Test func aPausedTrialWaitsForItsResumption() {
        var bench = started()
        _ = bench.take()
        bench.send(.trialPaused(Bench.trial))
        bench.send(.workerHeartbeat(ada, holding: []))
        #expect(bench.take().grants.isEmpty && bench.trial?.state == .paused)
        bench.send(.trialResumed(Bench.trial))
        #expect(bench.take().grants.map(\.lease) == [lease(2)])
    }

    @Test func speedAndRemainingTimeComeFromHeartbeats() {
        var bench = started()
        bench.send(.workerHeartbeat(ada, holding: [progress(1, at: 20, speed: 4)]))
        let study = bench.coordinator.snapshot(of: StudyID(1))
        #expect(study?.stepsDone == 20 && study?.stepsPerSecond == 4 && study?.remaining == .seconds(20))
        bench.send(.workerHeartbeat(ada, holding: [progress(1, at: 4_000_000, speed: .nan)]))
        #expect(bench.trial?.liveStep == 40 && bench.trial?.stepsPerSecond == nil)
    }
}
