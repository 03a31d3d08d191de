// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Coordination

struct ExplanationTests {
    private func why(_ bench: DataBench) -> String {
        bench.coordinator.explain(trial: DataBench.trial, now: bench.now).joined(separator: "; ")
    }
    private func why(_ name: String, _ bench: DataBench) -> String {
        bench.coordinator.explain(worker: WorkerID(name), now: bench.now).joined(separator: "; ")
    }

    @Test func trialsSayWhyTheyWait() {
        let encoded = StudyPlan(id: StudyID(1), name: "s", trialCount: 2, steps: 9, segmentSteps: 3, encodeParts: 2)
        var bench = DataBench([encoded])
        #expect(why(bench).contains("its pictures are being encoded: 0 of 2 parts are on disk, 0 at work"))
        bench.send(.studyPaused(StudyID(1)))
        #expect(why(bench).contains("its study is paused"))
        let plain = StudyPlan(id: StudyID(1), name: "s", trialCount: 2, steps: 9, segmentSteps: 3)
        bench = DataBench([plain])
        #expect(why(bench).contains("it waits for a worker; none is connected"))
        bench.send(.studySubmitted(StudyPlan(id: StudyID(2), name: "urgent", trialCount: 1, steps: 9, segmentSteps: 3)))
        bench.send(.studyPrioritized(StudyID(2), 3))
        #expect(why(bench).contains("study urgent with work to hand out comes first"))
        bench.send(.trialPaused(DataBench.trial))
        #expect(why(bench).contains("paused by command"))
        #expect(bench.coordinator.explain(trial: TrialID(study: StudyID(9), index: 0), now: bench.now).isEmpty)
    }

    @Test func trialsSayWhoHasThemAndHowFarTheyAre() {
        var bench = DataBench()
        bench.hello("a", "b")
        bench.answer("a")
        let text = why(bench)
        #expect(text.contains("2 workers compute its slices: a, b") && text.contains("gradient step 0: 1 of 4 slices are done"))
        bench.send(.trialPruned(DataBench.trial, reason: "worse than the others"))
        #expect(why(bench).contains("is pruned at step 0 of 3; worse than the others"))
    }

    @Test func workersSayWhyTheyAreIdle() {
        var bench = DataBench([])
        bench.hello("a")
        #expect(why("a", bench).contains("there is no study to work on"))
        bench.send(.studySubmitted(DataBench.plan))
        #expect(why("a", bench).contains("it computes slices of trial 0 of study teal-heart, one of 1"))
        bench.hello("b", numericsClass: "y")
        #expect(why("b", bench).contains("every trial has as many workers as can help it"))
        bench.pass(.seconds(8), silent: ["b"])
        #expect(why("b", bench).contains("is suspect") && why("b", bench).contains("it is silent"))
        bench.send(.workerDrained(WorkerID("a")))
        #expect(why("a", bench).contains("it finishes what it has and leaves"))
        #expect(why("c", bench).isEmpty)
    }

    @Test func rankingIsByLossThenIndex() {
        let losses: [Double?] = [0.5, 0.25, nil, 0.25, .nan]
        let trials = losses.enumerated().map { index, loss in
            let segment = SegmentFact(
                fromStep: 0, toStep: 2, attempt: 1, digest: "x", finished: false, best: loss.map { Best(loss: $0, step: 2) })
            let record = TrialRecord(trial: TrialID(study: StudyID(1), index: index), step: 2)
            return TrialFacts(record: record, segments: [segment])
        }
        let plan = StudyPlan(id: StudyID(1), name: "s", trialCount: 5, steps: 4, segmentSteps: 2)
        let coordinator = Coordinator(restoring: [StudyFacts(plan: plan, state: .running, trials: trials)], at: Instant(milliseconds: 0))
        #expect(coordinator.snapshot(of: StudyID(1))?.ranking.map(\.index) == [1, 3, 0])
    }
}
