// SPDX-License-Identifier: Apache-2.0
import Tensors

/// Holds one case against its reference: the output, then the gradient of every input that has one.
///
/// Gradients are compared with central differences of the reference, which is smooth and in double, so that differences with a step of
/// 1e-4 are right to about 1e-8. Each input's gradient is checked along a random direction, which sees every element, and at single
/// elements, as many as the budget allows.
package enum OperationCheck {
    package struct Result: Sendable, CustomStringConvertible {
        package let name: String, quantity: String
        package let value: Double, tolerance: Double
        package var passes: Bool { value <= tolerance }

        package var description: String { "\(name): \(quantity) is \(value), expected at most \(tolerance)" }
    }

    private static let step = 1e-4

    /// - Parameter budget: floating-point operations to spend on single elements of gradients.
    package static func run(_ item: OperationCase, budget: Double = 1e7) -> [Result] {
        let inputs = item.makeInputs(), plain = inputs.map { PlainTensor($0) }
        let pass = item.forward(inputs), expected = item.reference(plain)
        guard pass.output.shape == expected.shape else {
            return [
                Result(
                    name: item.name, quantity: "output of shape \(pass.output.shape) instead of \(expected.shape)", value: .infinity,
                    tolerance: 0)
            ]
        }
        let error = normalisedError(pass.output.values, expected.values)
        var results = [Result(name: item.name, quantity: "normalised squared error of the output", value: error, tolerance: item.tolerance)]
        let outputGradient = item.makeOutputGradient(shape: pass.output.shape)
        let weights = outputGradient.values.map(Double.init), gradients = pass.inputGradients(outputGradient)
        let places = item.inputs.indices.filter { item.inputs[$0].hasGradient }
        guard gradients.map(\.shape) == places.map({ item.inputs[$0].shape }) else {
            return results + [
                Result(name: item.name, quantity: "gradients of shapes \(gradients.map(\.shape))", value: .infinity, tolerance: 0)
            ]
        }
        for (place, gradient) in zip(places, gradients) where gradient.count > 0 {
            func slope(_ direction: [(index: Int, value: Double)]) -> Double {
                var moved = plain
                for (index, value) in direction { moved[place].values[index] += step * value }
                let ahead = item.reference(moved).values
                for (index, value) in direction { moved[place].values[index] -= 2 * step * value }
                let behind = item.reference(moved).values
                return weights.indices.reduce(0) { $0 + weights[$1] * (ahead[$1] - behind[$1]) } / (2 * step)
            }
            let values = gradient.values.map(Double.init)
            let typical = max(norm(values) / Double(values.count).squareRoot(), item.leastGradient, .leastNormalMagnitude)
            func report(_ quantity: String, _ value: Double) {
                let text = "\(quantity) of the gradient of input \(place)"
                results.append(
                    Result(name: item.name, quantity: text, value: value.isNaN ? .infinity : value, tolerance: item.gradientTolerance))
            }
            report("error along a direction", alongDirection(values, item.makeDirection(place), typical: typical, slope))
            let affordable = Int(budget / max(1000, 2 * item.work.forward + Double(expected.values.count)))
            let count = min(values.count, max(3, affordable))
            let indices = (0..<count).map { count == 1 ? 0 : $0 * (values.count - 1) / (count - 1) }
            report("mean asymmetry", asymmetry(values, indices, typical: typical, slope))
        }
        return results
    }

    /// |<g, d> - slope along d| / (|g| |d|).
    private static func alongDirection(
        _ gradient: [Double], _ direction: [Double], typical: Double, _ slope: ([(index: Int, value: Double)]) -> Double
    ) -> Double {
        let product = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
        let expected = slope(direction.enumerated().map { (index: $0.offset, value: $0.element) })
        return abs(product - expected) / (typical * Double(gradient.count).squareRoot() * norm(direction))
    }

    /// The mean of |a - b| / (|a| + |b|) over some elements; where both are below the gradient's typical size, that size counts instead.
    private static func asymmetry(
        _ gradient: [Double], _ indices: [Int], typical: Double, _ slope: ([(index: Int, value: Double)]) -> Double
    ) -> Double {
        let sum = indices.reduce(0.0) { sum, index in
            let expected = slope([(index: index, value: 1)])
            return sum + abs(gradient[index] - expected) / max(abs(gradient[index]) + abs(expected), typical)
        }
        return sum / Double(indices.count)
    }

    private static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// |ours - reference|^2 / |reference|^2; infinite for NaN.
    package static func normalisedError(_ ours: [Float], _ reference: [Double]) -> Double {
        var (difference, size) = (0.0, 0.0)
        for (a, b) in zip(ours, reference) {
            difference += (Double(a) - b) * (Double(a) - b)
            size += b * b
        }
        let error = difference / max(size, .leastNormalMagnitude)
        return error.isNaN ? .infinity : error
    }
}
