// SPDX-License-Identifier: Apache-2.0
import Foundation
import StableDiffusion
import Studies
import Testing

@testable import TextualInversion

/// Numbers that are of no use, schedules that end, and stopping.
@Suite struct GuardTests {
    private let unetFile = "unet/diffusion_pytorch_model.safetensors"

    private func spoilt(_ change: (String, inout [Float]) -> Void) throws -> (session: InversionSession, folder: TemporaryFolder) {
        let folder = try TemporaryFolder(copying: InversionFixtures.path("tiny"))
        try folder.rewrite(unetFile, change)
        return (try InversionSession(study: InversionFixtures.tinyStudy(), folder: ModelFolder(path: folder.path)), folder)
    }

    private func state(_ session: InversionSession, step: Int) -> TrainingState {
        var state = session.initialState()
        state.step = step
        return state
    }

    @Test(arguments: [Float.nan, .infinity]) func lossThatIsNoNumberStops(_ value: Float) throws {
        let (session, folder) = try spoilt { if $0 == "conv_out.bias" { $1[0] = value } }
        defer { _ = folder }
        let first = refusal(.numeric) { try session.train(session.initialState(), trial: 0, until: 5) }
        #expect(first.contains("step 0") && first.contains("evaluation"))
        let later = refusal(.numeric) { try session.train(state(session, step: 3), trial: 0, until: 5) }
        #expect(later.contains("step 4") && later.contains(value.isNaN ? "nan" : "inf"))
    }

    @Test func vectorsThatAreNoNumbersStop() throws {
        let session = try InversionFixtures.shared.get()
        var state = state(session, step: 7)
        state.vectors[20] = .nan
        #expect(refusal(.numeric) { try session.train(state, trial: 0, until: 9) }.contains("step 8"))
    }

    @Test func stepThatLeavesTheNumbersStops() throws {
        let session = try InversionFixtures.tinySession { $0.training.learningRate = .grammar("1e39") }
        let line = refusal(.numeric) { try session.train(session.initialState(), trial: 0, until: 5) }
        #expect(line.contains("step 1") && line.contains("learning rate"))
    }

    /// Cross-attention whose values and keys are zero: the prompt decides nothing.
    @Test func gradientOfZeroStops() throws {
        let (session, folder) = try spoilt { name, values in
            if name.hasSuffix("attn2.to_v.weight") || name.hasSuffix("attn2.to_k.weight") { values = values.map { _ in 0 } }
        }
        defer { _ = folder }
        let line = refusal(.numeric) { try session.train(session.initialState(), trial: 0, until: 5) }
        #expect(line.contains("step 1") && line.contains("gradient is zero"))
    }

    @Test func failedSegmentLeavesTheCallersStateAlone() throws {
        let session = try InversionFixtures.tinySession { $0.training.learningRate = .grammar("1e-3:2, 1e39") }
        let start = session.initialState()
        refusal(.numeric) { try session.train(start, trial: 0, until: 5) }
        #expect(start == session.initialState())
        #expect(try session.train(start, trial: 0, until: 2).state.step == 2)
    }

    @Test func scheduleThatEndsEarlyFinishesTheTrial() throws {
        let session = try InversionFixtures.tinySession { $0.training.learningRate = .grammar("1e-3:2, 5e-4:3") }
        let first = try session.train(session.initialState(), trial: 0, until: 2)
        #expect(!first.isFinished && first.state.step == 2)
        let rest = try session.train(first.state, trial: 0, until: 12)
        #expect(rest.isFinished && rest.state.step == 3 && rest.history.map(\.learningRate) == [5e-4])
        #expect(first.evaluations.map(\.step) + rest.evaluations.map(\.step) == [0, 3], "the last step is judged wherever it falls")
        let after = try session.train(rest.state, trial: 0, until: 12)
        #expect(after.isFinished && after.history.isEmpty && after.evaluations.isEmpty && after.state == rest.state)
    }

    @Test func lastStepFinishesTheTrial() throws {
        let session = try InversionFixtures.tinySession { $0.training.steps = 4 }
        let segment = try session.train(session.initialState(), trial: 0, until: 1000)
        #expect(segment.isFinished && segment.state.step == 4 && segment.history.count == 4 && segment.evaluations.map(\.step) == [0, 4])
    }

    @Test func learningRateFollowsItsList() throws {
        let session = try InversionFixtures.tinySession { $0.training.learningRate = .grammar("1e-3:2, 5e-4:4, 1e-4") }
        let segment = try session.train(session.initialState(), trial: 0, until: 6)
        #expect(segment.history.map(\.learningRate) == [1e-3, 1e-3, 5e-4, 5e-4, 1e-4, 1e-4])
        // Adam's first step moves every value by the learning rate, to which weight decay adds a ten-thousandth of the value.
        let one = try session.train(session.initialState(), trial: 0, until: 1).state
        #expect(abs(largestDifference(one.vectors, one.initial) - 1e-3) < 1e-4)
    }

    @Test func learningRateWarmsUpAndDecays() throws {
        let session = try InversionFixtures.tinySession {
            $0.training.steps = 6
            $0.training.learningRate = .cosine(base: 1e-2, warmup: 2)
        }
        let schedule = try LearningRateSchedule(.cosine(base: 1e-2, warmup: 2), maximumSteps: 6)
        let rates = try session.train(session.initialState(), trial: 0, until: 6).history.map(\.learningRate)
        #expect(rates == (0..<6).compactMap { schedule.rate(at: $0) })
        #expect(rates[0] < rates[1] && rates[1] < rates[2] && rates[2] > rates[3] && rates[5] > 0)
    }

    @Test func rateOfZeroChangesNothing() throws {
        let session = try InversionFixtures.tinySession { $0.training.learningRate = .grammar("0") }
        let segment = try session.train(session.initialState(), trial: 0, until: 3)
        #expect(segment.state.vectors == session.initialState().vectors && segment.state.step == 3)
    }

    /// Four passes of the first evaluation, then three for each step.
    @Test func cancellationIsSeenBeforeEachPass() throws {
        let session = try InversionFixtures.shared.get()
        for limit in 1...10 {
            var calls = 0, reports = 0
            let line = refusal(.cancelled) {
                try session.train(session.initialState(), trial: 0, until: 2, report: { _, _ in reports += 1 }) {
                    calls += 1
                    return calls == limit
                }
            }
            #expect(calls == limit && line.contains(limit <= 7 ? "step 0" : "step 1"))
            #expect(reports == (limit <= 7 ? 0 : 1))
        }
        var calls = 0
        _ = try session.train(
            session.initialState(), trial: 0, until: 2,
            isCancelled: {
                calls += 1
                return false
            })
        #expect(calls == 10)
    }

    @Test func makingASessionCanBeCancelled() throws {
        for limit in [1, 3, 6] {
            var calls = 0
            refusal(.cancelled) {
                try InversionSession(study: InversionFixtures.tinyStudy(), folder: InversionFixtures.tiny) {
                    calls += 1
                    return calls == limit
                }
            }
            #expect(calls == limit)
        }
    }
}
