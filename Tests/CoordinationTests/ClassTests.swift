// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

/// All bits of a study are of one class, and only workers of one class can contradict each other.
struct ClassTests {
    private let study = StudyID(1)

    private func plan(trials: Int = 1, _ parallelism: Parallelism = .trials, parts: Int = 0, mixes: Bool = false) -> StudyPlan {
        StudyPlan(
            id: study, name: "s", trialCount: trials, steps: 4, segmentSteps: 2, parallelism: parallelism, encodeParts: parts,
            mixesClasses: mixes)
    }

    private func encoded(_ part: Int, by worker: String, attempt: Int = 1, _ digest: String = "latents") -> PieceReport {
        PieceReport(worker: WorkerID(worker), lease: LeaseID(.encode(study, part: part), attempt: attempt), digest: digest)
    }

    @Test func picturesAreEncodedInTheClassThatTrains() {
        var bench = DataBench([plan(trials: 2, parts: 2)])
        bench.hello("a", numericsClass: "x")
        #expect(bench.take().contains(.recordClass(study, "x")))
        bench.hello("b", numericsClass: "y")
        #expect(bench.works("a") == ["encode 1 part 0"] && bench.works("b").isEmpty)
        bench.send(.pieceResult(encoded(0, by: "a")))
        bench.send(.pieceResult(encoded(1, by: "a", attempt: 2)))
        #expect(bench.works("a").last == "train 1.0" && bench.works("b").isEmpty)
        bench.hello("c", numericsClass: "x")
        #expect(bench.works("c") == ["train 1.1"])
    }

    @Test func encodedPicturesOfAnotherClassAreNotTaken() {
        var bench = DataBench([plan(parts: 1)])
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        _ = bench.take()
        bench.send(.pieceResult(encoded(0, by: "b")))
        #expect(bench.take().contains { if case .acknowledgePiece(_, .stale) = $0 { true } else { false } })
        #expect(bench.coordinator.encodedParts(of: study).isEmpty)
    }

    @Test func theClassOfEncodedPicturesOutlivesTheCoordinator() {
        let facts = StudyFacts(
            plan: plan(parts: 1), state: .running, encoded: [0: "latents"], numericsClass: "x",
            trials: [TrialFacts(record: TrialRecord(trial: DataBench.trial))])
        var bench = Bench([facts])
        bench.hello(WorkerID("b"), numericsClass: "y")
        #expect(bench.take().grants.isEmpty)
        bench.hello(WorkerID("a"), numericsClass: "x")
        #expect(bench.take().grants.map(\.worker) == [WorkerID("a")])
    }

    @Test func aStudyWithNothingOnDiskIsFreeWhenItsClassIsGone() {
        var bench = DataBench([plan(trials: 2, parts: 1)])
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        bench.send(.workerGoodbye(WorkerID("a")))
        #expect(bench.works("b") == ["encode 1 part 0"] && bench.take().contains(.recordClass(study, "y")))
    }

    @Test func mixedStudiesTakeEverybody() {
        var bench = DataBench([plan(parts: 2, mixes: true)])
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        #expect(bench.works("a") == ["encode 1 part 0"] && bench.works("b") == ["encode 1 part 1"])
    }

    // MARK: - Alarms

    @Test func aLateSegmentOfAnotherClassIsNoContradiction() {
        var bench = Bench()
        bench.send(.studySubmitted(plan()))
        bench.hello(WorkerID("a"), numericsClass: "x")
        bench.hello(WorkerID("b"), numericsClass: "y")
        bench.send(.segmentResult(report(WorkerID("a"), 1, 0, 2)))
        _ = bench.take()
        bench.send(.segmentResult(report(WorkerID("b"), 1, 0, 2, digest: "other")))
        let late = bench.take()
        #expect(late.alarms == 0 && bench.trial?.alarms == 0)
        #expect(late.contains { if case .acknowledge(_, .stale) = $0 { true } else { false } })
        bench.hello(WorkerID("c"), numericsClass: "x")
        bench.send(.segmentResult(report(WorkerID("c"), 1, 0, 2, digest: "other")))
        #expect(bench.take().alarms == 1)
    }

    @Test func aLatePieceOfAnotherClassIsNoContradiction() {
        var bench = DataBench([plan(parts: 1)])
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        bench.send(.pieceResult(encoded(0, by: "a")))
        bench.send(.pieceResult(encoded(0, by: "b", "other")))
        #expect(bench.take().pieceAlarms.isEmpty)
        bench.hello("c", numericsClass: "x")
        bench.send(.pieceResult(encoded(0, by: "c", "other")))
        #expect(bench.take().pieceAlarms.count == 1)
    }

    @Test func slicesOfSeveralClassesAreNoContradiction() {
        var bench = DataBench([plan(.data, mixes: true)])
        bench.hello("a", numericsClass: "x")
        bench.hello("b", numericsClass: "y")
        bench.hello("c", numericsClass: "x")
        let lease = bench.held[WorkerID("a")]?.first ?? lease(1)
        bench.send(.sliceResult(SliceReport(worker: WorkerID("a"), lease: lease, digest: "one", seconds: 1)))
        bench.send(.sliceResult(SliceReport(worker: WorkerID("b"), lease: lease, digest: "other", seconds: 1)))
        #expect(bench.take().pieceAlarms.isEmpty && bench.trial?.alarms == 0)
        bench.send(.sliceResult(SliceReport(worker: WorkerID("c"), lease: lease, digest: "third", seconds: 1)))
        #expect(bench.take().pieceAlarms.count == 1)
    }
}
