// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import TextualInversion

/// Held against `torch.optim.AdamW` and `torch.nn.utils.clip_grad_*`.
@Suite struct AdamWTests {
    struct Run: Decodable {
        struct Step: Decodable {
            let learningRate: Double
            let gradient: [Float], values: [Float], average: [Float], squares: [Float]
        }

        let weightDecay: Double, betas: [Double], epsilon: Double
        let values: [Float]
        let steps: [Step]
    }

    struct Clipping: Decodable {
        let gradient: [Float]
        let limit: Double
        let norm: [Float], value: [Float]
    }

    /// Whether two lists agree to `tolerance` element by element, relative to the larger of the element and `floor`.
    private func agree(_ a: [Float], _ b: [Float], tolerance: Float, floor: Float) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(abs($1), floor) }
    }

    @Test func updatesAreThoseOfTorch() throws {
        let runs: [Run] = try InversionFixtures.json("adamw.json")
        #expect(runs.count == 4)
        for (number, run) in runs.enumerated() {
            let optimizer = AdamW(beta1: run.betas[0], beta2: run.betas[1], weightDecay: run.weightDecay, epsilon: run.epsilon)
            var values = run.values
            var average = [Float](repeating: 0, count: values.count), squares = average
            for (index, step) in run.steps.enumerated() {
                optimizer.update(
                    &values, gradient: step.gradient, average: &average, squares: &squares, step: index + 1, learningRate: step.learningRate
                )
                #expect(agree(average, step.average, tolerance: 3e-5, floor: 1e-30), "moments of run \(number), step \(index + 1)")
                #expect(agree(squares, step.squares, tolerance: 1e-6, floor: 1e-30), "squares of run \(number), step \(index + 1)")
                #expect(agree(values, step.values, tolerance: 1e-6, floor: 0.1), "values of run \(number), step \(index + 1)")
            }
        }
    }

    @Test func zeroLearningRateKeepsValuesAndStillLearnsMoments() {
        var values: [Float] = [1, -2], average: [Float] = [0, 0], squares: [Float] = [0, 0]
        AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.5, epsilon: 1e-8)
            .update(&values, gradient: [3, 4], average: &average, squares: &squares, step: 1, learningRate: 0)
        #expect(values == [1, -2])
        #expect(average[0] > 0 && squares[1] > 0)
    }

    @Test func decayActsWithoutGradient() {
        var values: [Float] = [2], average: [Float] = [0], squares: [Float] = [0]
        AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.5, epsilon: 1e-8)
            .update(&values, gradient: [0], average: &average, squares: &squares, step: 1, learningRate: 0.1)
        #expect(values == [2 * Float(0.95)])
    }

    @Test func lateStepsNeedNoCorrection() {
        var values: [Float] = [0], average: [Float] = [1], squares: [Float] = [1]
        AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0, epsilon: 1e-8)
            .update(&values, gradient: [1], average: &average, squares: &squares, step: 10_000_000, learningRate: 0.25)
        #expect(abs(values[0] + 0.25) < 1e-6)
    }

    @Test func clippingIsThatOfTorch() throws {
        let cases: [Clipping] = try InversionFixtures.json("clipping.json")
        #expect(cases.count == 28)
        for item in cases {
            var byNorm = item.gradient, byValue = item.gradient
            GradientClipping.clip(&byNorm, norm: item.limit)
            GradientClipping.clip(&byValue, value: item.limit)
            #expect(agree(byNorm, item.norm, tolerance: 1e-6, floor: 0), "norm \(item.limit) of \(item.gradient)")
            #expect(byValue == item.value, "value \(item.limit) of \(item.gradient)")
        }
    }

    @Test func normOfLargeAndSmallValuesIsExact() {
        #expect(
            GradientClipping.norm([3e30, 4e30])
                == (Double(Float(3e30)) * Double(Float(3e30)) + Double(Float(4e30)) * Double(Float(4e30))).squareRoot())
        #expect(abs(GradientClipping.norm([3e-30, 4e-30]) - 5e-30) < 1e-36)
        #expect(GradientClipping.norm([]) == 0)
        #expect(GradientClipping.norm([.nan, 1]).isNaN)
        #expect(GradientClipping.norm([-.infinity, 1]) == .infinity)
    }
}
