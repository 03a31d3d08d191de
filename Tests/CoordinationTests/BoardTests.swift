// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// One trial over many workers.
struct BoardTests {
    @Test func aStepIsSharedOutEvenlyAndSharesStay() {
        var bench = DataBench()
        bench.hello("a", "b", "c")
        // The first one got everything; those that joined in the middle of the step took over what it had not begun.
        #expect(bench.slices("a") == [0, 1] && bench.slices("b") == [3] && bench.slices("c") == [2])
        for name in ["a", "a", "b", "c"] { bench.answer(name) }
        for _ in 0..<2 {
            #expect(bench.slices("a") == [0] && bench.slices("b") == [1] && bench.slices("c") == [2, 3])
            for name in ["c", "c", "b", "a"] { bench.answer(name) }
        }
        #expect(bench.trial?.state == .complete && bench.trial?.step == 3)
    }

    @Test func aStepIsClosedWhenEverySliceIsKeptAndTheSegmentIsPersistedLikeAWorkers() {
        var bench = DataBench()
        bench.hello("a")
        _ = bench.take()
        for _ in 0..<3 { bench.answer("a") }
        #expect(bench.take().closed.isEmpty)
        bench.answer("a")
        var actions = bench.take()
        #expect(actions.kept == [.gradient(DataBench.trial, step: 0, slice: 3)] && actions.closed.map(\.step) == [0])
        for _ in 0..<4 { bench.answer("a") }
        actions = bench.take()
        #expect(actions.contains { if case .persist(let report, .segment) = $0 { report.worker == .coordinator } else { false } })
        #expect(actions.acknowledgements.isEmpty && actions.contains(.openTrial(DataBench.trial)))
        #expect(bench.trial?.step == 2 && bench.trial?.state == .running && bench.slices("a") == [0, 1, 2, 3])
        for _ in 0..<4 { bench.answer("a") }
        actions = bench.take()
        #expect(actions.contains(.closeTrial(DataBench.trial)) && actions.contains(.studyFinished(StudyID(1), .complete, reason: "")))
    }

    @Test func doubledAnswersAreHarmlessAndOtherBitsNameBothWorkers() {
        var bench = DataBench()
        bench.hello("a", "b")
        bench.answer("a")
        _ = bench.take()
        let work = Work.gradient(DataBench.trial, step: 0, slice: 0)
        let lease = LeaseID(work, attempt: 1)
        bench.send(.sliceResult(SliceReport(worker: WorkerID("b"), lease: lease, digest: "\(work)", seconds: 1)))
        #expect(bench.take().isEmpty)
        for _ in 0..<2 { bench.send(.sliceResult(SliceReport(worker: WorkerID("b"), lease: lease, digest: "other", seconds: 1))) }
        let alarms = bench.take().pieceAlarms
        #expect(alarms.count == 1 && alarms.first?.kept == WorkerID("a") && alarms.first?.offered == WorkerID("b"))
        #expect(bench.trial?.alarms == 1)
    }

    @Test func answersForOtherStepsAndFromStrangersAreIgnored() {
        var bench = DataBench()
        bench.hello("a")
        _ = bench.take()
        let now = Work.gradient(DataBench.trial, step: 0, slice: 0)
        let reports = [
            ("a", Work.gradient(DataBench.trial, step: 1, slice: 0)), ("a", .evaluate(DataBench.trial, step: 0, slice: 0)),
            ("a", .gradient(DataBench.trial, step: 0, slice: 4)), ("a", .gradient(DataBench.trial, step: 0, slice: -1)),
            ("a", .train(DataBench.trial)), ("stranger", now), ("a", .gradient(TrialID(study: StudyID(9), index: 0), step: 0, slice: 0)),
        ]
        for (name, work) in reports {
            bench.send(.sliceResult(SliceReport(worker: WorkerID(name), lease: LeaseID(work, attempt: 1), digest: "x", seconds: 1)))
        }
        #expect(bench.take().isEmpty)
    }

    @Test(arguments: [0, 1, 2, 3])
    func slicesOfAWorkerThatIsGoneGoToOthersAtOnce(how: Int) {
        var bench = DataBench()
        bench.hello("a", "b")
        let (a, all) = (WorkerID("a"), 4)
        switch how {
        case 0: bench.send(.workerUnreachable(a))
        case 1: bench.send(.workerGoodbye(a))
        case 2: bench.send(.workerDrained(a))
        default: bench.pass(.seconds(7), silent: ["a"])
        }
        #expect(bench.slices("b").count == all && bench.slices("a").isEmpty && bench.members() == ["b"])
    }

    @Test func anIdleMemberTakesOverWhatASlowOneHasNotBegun() {
        var bench = DataBench(slices: 8)
        bench.hello("a", "b")
        // A whole step to learn how fast they are.
        while bench.coordinator.boards[DataBench.trial]?.plan?.step == 0 {
            if bench.slices("b").isEmpty { bench.answer("a", seconds: 1) } else { bench.answer("b", seconds: 4) }
        }
        #expect(bench.slices("a") == [0, 1, 2, 3] && bench.slices("b") == [4, 5, 6, 7])
        for _ in 0..<4 { bench.answer("a", seconds: 1) }
        #expect(bench.slices("a") == [7] && bench.slices("b") == [4, 5, 6])
        bench.answer("a", seconds: 1)
        #expect(bench.slices("a") == [6] && bench.slices("b") == [4, 5])
    }

    @Test func theLastStragglerIsReissuedAndTheFirstAnswerWins() {
        var bench = DataBench(
            [StudyPlan(id: StudyID(1), name: "s", trialCount: 1, steps: 9, segmentSteps: 9, parallelism: .data)], slices: 3)
        bench.hello("a", "b", "c")
        while bench.coordinator.boards[DataBench.trial]?.plan?.step == 0 {
            for (name, seconds) in [("a", 0.9), ("b", 0.8), ("c", 1)] { bench.answer(name, seconds: seconds) }
        }
        bench.answer("a", seconds: 0.9)
        bench.answer("b", seconds: 0.8)
        #expect(bench.slices("c") == [2])
        bench.pass(.seconds(1))
        #expect(bench.slices("a").isEmpty && bench.slices("b").isEmpty)
        bench.pass(.seconds(1))
        // b is the fastest one.
        #expect(bench.slices("b") == [2] && bench.slices("c") == [2] && bench.slices("a").isEmpty)
        bench.answer("b")
        #expect(bench.take().cancelled.contains { $0.work == .gradient(DataBench.trial, step: 1, slice: 2) })
        #expect(bench.coordinator.boards[DataBench.trial]?.plan?.step == 2 && bench.slices("c") == [2])
    }

    @Test func workersJoinTheTrialThatGainsMostAndMoveWhenAnotherOpens() {
        let plan = StudyPlan(id: StudyID(1), name: "s", trialCount: 2, steps: 5, segmentSteps: 5, parallelism: .data)
        var bench = DataBench([plan], slices: 4)
        let (first, second) = (DataBench.trial, TrialID(study: StudyID(1), index: 1))
        bench.hello("a", "b")
        #expect(bench.members(first) == ["a"] && bench.members(second) == ["b"])
        bench.hello("c", "d", "e")
        #expect(bench.members(first) == ["a", "c", "e"] && bench.members(second) == ["b", "d"])
        bench.send(.trialPaused(first))
        #expect(bench.members(first).isEmpty && bench.members(second).count == 4)
        bench.send(.trialResumed(first))
        // Each of two workers computes two slices, and a third one would not make it faster.
        #expect(bench.members(first).count == 2 && bench.members(second).count == 3)
    }

    @Test func aCrashingSliceFailsItsTrialAndFailuresOfTheNetworkNever() {
        var bench = DataBench()
        bench.hello("a", "b")
        for _ in 0..<30 {
            bench.send(.workerUnreachable(WorkerID("a")))
            bench.hello("a")
        }
        #expect(bench.trial?.crashes == 0 && bench.trial?.state == .running)
        let work = Work.gradient(DataBench.trial, step: 0, slice: 2)
        var failures = 0
        while bench.trial?.state == .running, failures < 10 {
            let holder = ["a", "b"].first { bench.works($0).contains(work.description) }
            guard let holder, let lease = bench.held[WorkerID(holder)]?.first(where: { $0.work == work }) else { break }
            bench.fail(holder, lease, "out of memory")
            failures += 1
        }
        #expect(failures == 5 && bench.trial?.state == .failed)
        #expect(
            bench.trial?.failure
                == "gradient 1.0 step 0 slice 2 crashed their worker 5 times without progress; the last time: out of memory")
    }

    @Test func numericTroubleFailsTheTrialAtOnce() {
        var bench = DataBench()
        bench.hello("a")
        if let lease = bench.held[WorkerID("a")]?.first {
            bench.send(.leaseFailed(WorkerID("a"), lease, .numeric, message: "the loss is not a number"))
        }
        #expect(bench.trial?.state == .failed && bench.trial?.failure == "the loss is not a number")
        #expect(bench.take().contains(.closeTrial(DataBench.trial)))
    }

    @Test func anOpenTrialWithoutWorkersWaitsForOneAndIsClosedIfNoneComes() {
        var bench = DataBench()
        bench.hello("a")
        for _ in 0..<5 { bench.answer("a") }
        bench.send(.workerGoodbye(WorkerID("a")))
        bench.pass(.seconds(10))
        bench.hello("b")
        #expect(bench.slices("b").count == 3 && bench.trial?.open == Snapshot.OpenStep(step: 1, kind: .gradient, slicesDone: 1, slices: 4))
        bench.send(.workerGoodbye(WorkerID("b")))
        _ = bench.take()
        bench.pass(.seconds(17))
        #expect(bench.take().contains(.closeTrial(DataBench.trial)) && bench.trial?.state == .waiting)
    }

    @Test func aDiskThatRefusesTheSegmentIsAskedAgain() {
        var coordinator = Coordinator(at: Instant(milliseconds: 0))
        let plan = StudyPlan(id: StudyID(1), name: "s", trialCount: 1, steps: 1, segmentSteps: 1, parallelism: .data)
        let step = StepPlan(trial: DataBench.trial, step: 0, kind: .gradient, slices: 1)
        let worker = WorkerID("a")
        var now = Instant(milliseconds: 0)
        _ = coordinator.handle(.studySubmitted(plan), at: now)
        _ = coordinator.handle(.workerHello(worker, WorkerDescription(name: "a")), at: now)
        _ = coordinator.handle(.workerHeartbeat(worker, holding: []), at: now)
        let grants = coordinator.handle(.stepOpened(step), at: now).grants
        let slice = SliceReport(worker: worker, lease: grants[0].lease, digest: "x", seconds: 1)
        #expect(coordinator.handle(.sliceResult(slice), at: now) == [.keepSlice(slice), .closeStep(step)])
        let report = SegmentReport(
            worker: .coordinator, trial: DataBench.trial, attempt: 0, fromStep: 0, toStep: 1, digest: "x", finished: false)
        #expect(coordinator.handle(.segmentComputed(report), at: now) == [.persist(report, .segment)])
        #expect(coordinator.handle(.resultNotPersisted(report, .segment), at: now).isEmpty)
        now = now + .seconds(4)
        #expect(coordinator.handle(.tick, at: now) == [.persist(report, .segment)])
        #expect(coordinator.handle(.resultPersisted(report, .segment), at: now).contains(.closeTrial(DataBench.trial)))
    }

    @Test func aTrialThatCannotBeOpenedIsTriedAgainAFewTimes() {
        var coordinator = Coordinator(at: Instant(milliseconds: 0))
        let worker = WorkerID("a")
        var now = Instant(milliseconds: 0)
        _ = coordinator.handle(.studySubmitted(DataBench.plan), at: now)
        _ = coordinator.handle(.workerHello(worker, WorkerDescription(name: "a")), at: now)
        var opened = coordinator.handle(.workerHeartbeat(worker, holding: []), at: now)
        var attempts = 0
        while opened.contains(.openTrial(DataBench.trial)), attempts < 10 {
            attempts += 1
            #expect(
                !coordinator.handle(.stepFailed(DataBench.trial, .internal, message: "disk"), at: now).contains(.openTrial(DataBench.trial))
            )
            now = now + .seconds(4)
            _ = coordinator.handle(.workerHeartbeat(worker, holding: []), at: now)
            opened = coordinator.handle(.tick, at: now) + opened.filter { _ in coordinator.boards[DataBench.trial] != nil }
        }
        #expect(attempts == 5 && coordinator.trial(DataBench.trial)?.record.state == .failed)
    }
}
