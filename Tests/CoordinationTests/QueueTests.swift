// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// Who comes first: pictures, previews, priorities, pauses, classes.
struct QueueTests {
    private func plan(
        _ id: Int64, trials: Int = 1, steps: Int = 4, segment: Int = 2, _ parallelism: Parallelism = .trials, parts: Int = 0,
        previews: Int? = nil, mixes: Bool = false
    ) -> StudyPlan {
        StudyPlan(
            id: StudyID(id), name: "s\(id)", trialCount: trials, steps: steps, segmentSteps: segment, parallelism: parallelism,
            encodeParts: parts, previewEvery: previews, mixesClasses: mixes)
    }

    private func piece(_ name: String, _ bench: DataBench, digest: String = "latents") -> Event {
        .pieceResult(PieceReport(worker: WorkerID(name), lease: bench.held[WorkerID(name)]?.first ?? lease(1), digest: digest))
    }

    // MARK: - Pictures

    @Test func picturesAreEncodedByManyWorkersBeforeAnyTrialStarts() {
        var bench = DataBench([plan(1, parts: 3)])
        bench.hello("a", "b")
        #expect(bench.works("a") == ["encode 1 part 0"] && bench.works("b") == ["encode 1 part 1"])
        bench.send(piece("a", bench))
        let actions = bench.take()
        #expect(actions.contains { if case .acknowledgePiece(_, .accepted) = $0 { true } else { false } })
        #expect(bench.works("a").last == "encode 1 part 2")
        #expect(bench.coordinator.encodedParts(of: StudyID(1)) == [0: "latents"])
        bench.send(piece("b", bench))
        #expect(bench.trial?.state == .waiting)
        let last = PieceReport(worker: WorkerID("a"), lease: LeaseID(.encode(StudyID(1), part: 2), attempt: 3), digest: "latents")
        bench.send(.pieceResult(last))
        #expect(bench.trial?.state == .running)
    }

    @Test func piecesAreAnsweredLikeSegments() {
        var bench = DataBench([plan(1, parts: 2)])
        bench.hello("a", "b")
        let event = piece("a", bench)
        bench.send(event)
        _ = bench.take()
        bench.send(event)
        #expect(bench.take().contains { if case .acknowledgePiece(_, .duplicate) = $0 { true } else { false } })
        let other = PieceReport(worker: WorkerID("b"), lease: LeaseID(.encode(StudyID(1), part: 0), attempt: 9), digest: "other")
        bench.send(.pieceResult(other))
        let actions = bench.take()
        #expect(actions.contains(.acknowledgePiece(other, .conflict)))
        #expect(actions.pieceAlarms.first?.kept == WorkerID("a") && actions.pieceAlarms.first?.offered == WorkerID("b"))
        for work in [
            Work.encode(StudyID(1), part: 7), .encode(StudyID(9), part: 0), .encode(StudyID(1), part: -1), .train(DataBench.trial),
        ] {
            let report = PieceReport(worker: WorkerID("b"), lease: LeaseID(work, attempt: 1), digest: "x")
            bench.send(.pieceResult(report))
            #expect(bench.take().contains { if case .acknowledgePiece(report, .stale) = $0 { true } else { false } })
        }
    }

    @Test func aPictureThatCannotBeReadFailsTheStudyWithItsMessage() {
        var bench = DataBench([plan(1, trials: 2, parts: 2)])
        bench.hello("a")
        if let lease = bench.held[WorkerID("a")]?.first {
            bench.send(.leaseFailed(WorkerID("a"), lease, .input, message: "pictures/3.png: not a picture"))
        }
        let study = bench.coordinator.snapshot(of: StudyID(1))
        #expect(study?.state == .failed && study?.failure == "pictures/3.png: not a picture")
        #expect(study?.trials.allSatisfy { $0.state == .failed && $0.failure == "pictures/3.png: not a picture" } == true)
        #expect(bench.take().contains(.studyFinished(StudyID(1), .failed, reason: "pictures/3.png: not a picture")))
    }

    @Test func aPartThatCrashesItsWorkersFailsTheStudy() {
        var bench = DataBench([plan(1, parts: 1)])
        bench.hello("a")
        for attempt in 1...5 {
            bench.send(.leaseFailed(WorkerID("a"), LeaseID(.encode(StudyID(1), part: 0), attempt: attempt), .internal, message: "crash"))
        }
        #expect(
            bench.coordinator.snapshot(of: StudyID(1))?.failure == "part 0 of the pictures crashed its worker 5 times; the last time: crash"
        )
    }

    @Test func aRestartedCoordinatorKeepsTheEncodedParts() {
        let facts = StudyFacts(
            plan: plan(1, parts: 2), state: .running, encoded: [0: "latents"],
            trials: [TrialFacts(record: TrialRecord(trial: DataBench.trial))])
        var coordinator = Coordinator(restoring: [facts], at: Instant(milliseconds: 0))
        let worker = WorkerID("a")
        let now = Instant(milliseconds: 5000)
        _ = coordinator.handle(.workerHello(worker, WorkerDescription(name: "a")), at: now)
        let grants = coordinator.handle(.workerHeartbeat(worker, holding: []), at: now).grants
        #expect(grants.map(\.lease.work) == [.encode(StudyID(1), part: 1)])
    }

    // MARK: - Previews

    @Test func previewsAreMadeOfSegmentEndsOneAtATimeAndGoBeforeSegments() {
        var bench = DataBench([plan(1, steps: 6, segment: 2, previews: 3)])
        bench.hello("a")
        bench.send(.segmentResult(report(WorkerID("a"), 1, 0, 2)))
        #expect(bench.works("a").last == "train 1.0")
        bench.send(.segmentResult(report(WorkerID("a"), 2, 2, 4)))
        #expect(bench.works("a").last == "preview 1.0 step 4")
        bench.hello("b")
        #expect(bench.works("b") == ["train 1.0"])
        bench.send(.segmentResult(report(WorkerID("b"), 3, 4, 6)))
        #expect(bench.coordinator.snapshot(of: StudyID(1))?.state == .complete)
        bench.send(
            .pieceResult(PieceReport(worker: WorkerID("a"), lease: LeaseID(.preview(DataBench.trial, step: 4), attempt: 1), digest: "p")))
        // The study has ended; its last picture is still made.
        #expect(["a", "b"].contains { bench.works($0).last == "preview 1.0 step 6" })
        #expect(bench.coordinator.previews(of: DataBench.trial) == [4: "p"])
    }

    @Test func aPreviewThatFailsIsGivenUpAndFailsNothing() {
        var bench = DataBench([plan(1, steps: 4, segment: 2, previews: 2)])
        bench.hello("a")
        bench.send(.segmentResult(report(WorkerID("a"), 1, 0, 2)))
        for attempt in 1...3 {
            bench.send(
                .leaseFailed(WorkerID("a"), LeaseID(.preview(DataBench.trial, step: 2), attempt: attempt), .internal, message: "no memory"))
        }
        let lease = LeaseID(.preview(DataBench.trial, step: 2), attempt: 3)
        #expect(bench.take().contains(.abandoned(lease, reason: "no memory")))
        #expect(bench.works("a").last == "train 1.0" && bench.trial?.state == .running && bench.trial?.crashes == 0)
    }

    @Test func aTrialOverManyWorkersSparesOneForThePreview() {
        var bench = DataBench([plan(1, steps: 4, segment: 2, .data, previews: 2)])
        bench.hello("a")
        for _ in 0..<8 { bench.answer("a") }
        #expect(bench.works("a") == ["preview 1.0 step 2"] && bench.trial?.state == .running)
        bench.send(piece("a", bench, digest: "picture"))
        #expect(bench.slices("a").count == 4)
    }

    // MARK: - Priorities and pauses

    @Test func higherPrioritiesAreServedFirst() {
        var bench = DataBench([plan(1), plan(2), plan(3)])
        bench.send(.studyPrioritized(StudyID(3), 5))
        bench.send(.studyPrioritized(StudyID(1), -1))
        #expect(bench.take().contains(.recordStudy(StudyID(3), priority: 5, isPaused: false)))
        bench.hello("a", "b", "c")
        #expect(bench.works("a") == ["train 3.0"] && bench.works("b") == ["train 2.0"] && bench.works("c") == ["train 1.0"])
    }

    @Test func aStudyOfHigherPriorityTakesMembersAtOnceAndTheLastOneAfterItsSegment() {
        var bench = DataBench([plan(1, .data)])
        bench.hello("a", "b")
        bench.send(.studySubmitted(plan(2, trials: 2)))
        #expect(bench.works("b") == ["train 2.0"] && bench.members() == ["a"])
        bench.send(.studyPrioritized(StudyID(2), 1))
        #expect(bench.members() == ["a"])
        for _ in 0..<8 { bench.answer("a") }
        #expect(bench.works("a") == ["train 2.1"] && bench.trial?.step == 2)
    }

    @Test(arguments: [Parallelism.trials, .data])
    func aPausedStudyIsCalledOffUntilItIsResumed(parallelism: Parallelism) {
        var bench = DataBench([plan(1, parallelism)])
        bench.hello("a")
        bench.send(.studyPaused(StudyID(1)))
        #expect(bench.works("a").isEmpty && bench.trial?.state == .waiting)
        #expect(bench.take().contains(.recordStudy(StudyID(1), priority: 0, isPaused: true)))
        bench.pass(.seconds(30))
        #expect(bench.works("a").isEmpty)
        bench.send(.studyResumed(StudyID(1)))
        #expect(!bench.works("a").isEmpty)
    }

    @Test func drainedWorkersAreToldSoAgainWhenTheyComeBack() {
        var bench = DataBench([plan(1)])
        bench.hello("a")
        bench.send(.workerDrained(WorkerID("a")))
        bench.send(.workerDrained(WorkerID("a")))
        #expect(bench.take().count { $0 == .drain(WorkerID("a")) } == 1)
        bench.hello("a")
        #expect(bench.take().contains(.drain(WorkerID("a"))))
    }

    // MARK: - Classes

    @Test func aTrialStaysInTheClassOfItsFirstSegment() {
        var bench = DataBench([plan(1)])
        bench.hello("a", numericsClass: "x")
        #expect(bench.trial?.numericsClass == "x")
        bench.send(.segmentResult(report(WorkerID("a"), 1, 0, 2)))
        bench.send(.workerGoodbye(WorkerID("a")))
        bench.hello("b", numericsClass: "y")
        #expect(bench.works("b").isEmpty)
        let why = bench.coordinator.explain(trial: DataBench.trial, now: bench.now)
        #expect(why.contains { $0.contains("of class x") && $0.contains("other classes") })
        bench.hello("c", numericsClass: "x")
        #expect(bench.works("c") == ["train 1.0"])
    }

    @Test func aTrialWithNothingOnDiskIsNotBoundToAClass() {
        var bench = DataBench([plan(1)])
        bench.hello("a", numericsClass: "x")
        bench.send(.workerGoodbye(WorkerID("a")))
        bench.hello("b", numericsClass: "y")
        #expect(bench.works("b") == ["train 1.0"] && bench.trial?.numericsClass == "y")
    }

    @Test func aStudyMayMixClasses() {
        var bench = DataBench([plan(1, mixes: true)])
        bench.hello("a", numericsClass: "x")
        bench.send(.segmentResult(report(WorkerID("a"), 1, 0, 2)))
        bench.send(.workerGoodbye(WorkerID("a")))
        bench.hello("b", numericsClass: "y")
        #expect(bench.works("b") == ["train 1.0"])
    }

    @Test func theMembersOfABoardAreOfOneClass() {
        var bench = DataBench()
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        bench.hello("c", numericsClass: "x")
        #expect(bench.members() == ["a", "c"] && bench.works("b").isEmpty)
        let lease = LeaseID(.gradient(DataBench.trial, step: 0, slice: 0), attempt: 1)
        _ = bench.take()
        bench.send(.sliceResult(SliceReport(worker: WorkerID("b"), lease: lease, digest: "other", seconds: 1)))
        #expect(bench.take().isEmpty)
    }
}
