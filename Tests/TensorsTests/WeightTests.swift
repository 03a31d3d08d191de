// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Tensors

/// Weights where they lie in a file: torch's order, any element type, any address.
struct WeightTests {
    /// Bytes of a file, the weight at an odd address in it.
    private final class Bytes: @unchecked Sendable {
        private let memory: UnsafeMutableRawPointer

        init(_ values: [Float], _ element: Weight.Element) {
            let pointer = UnsafeMutableRawPointer.allocate(byteCount: values.count * 4 + 1, alignment: 16)
            for (index, value) in values.enumerated() {
                switch element {
                case .float32: pointer.storeBytes(of: value, toByteOffset: 1 + 4 * index, as: Float.self)
                case .float16: pointer.storeBytes(of: Float16(value).bitPattern, toByteOffset: 1 + 2 * index, as: UInt16.self)
                case .bfloat16: pointer.storeBytes(of: UInt16(value.bitPattern >> 16), toByteOffset: 1 + 2 * index, as: UInt16.self)
                }
            }
            memory = pointer
        }

        deinit { memory.deallocate() }

        var start: UnsafeRawPointer { UnsafeRawPointer(memory) + 1 }
    }

    /// Values that all three types hold exactly, small, negative and zero among them.
    private func values(_ count: Int) -> [Float] { (0..<count).map { Float(($0 * 37) % 255 - 127) * 0.0078125 } }

    private func weight(_ shape: [Int], _ element: Weight.Element) -> (stored: Weight, plain: Weight) {
        let all = values(shape.reduce(1, *)), bytes = Bytes(all, element)
        let (kernelHeight, kernelWidth) = shape.count == 4 ? (shape[2], shape[3]) : (1, 1)
        let stored = Weight(
            bytes.start, element, outputs: shape[0], inputs: shape[1], kernelHeight: kernelHeight, kernelWidth: kernelWidth, owner: bytes)
        let tensor = Tensor(all, shape: shape)
        return (stored, Weight(shape.count == 4 ? tensor.movingSecondAxisLast() : tensor))
    }

    static let elements: [Weight.Element] = [.float32, .float16, .bfloat16]

    @Test(arguments: elements)
    func everyTypeAndOrderIsReadExactly(_ element: Weight.Element) {
        for shape in [[1, 1], [5, 7], [33, 70], [3, 5, 3, 3], [40, 33, 3, 3], [17, 4, 2, 3]] {
            let (stored, plain) = weight(shape, element)
            #expect(stored.widened().values == plain.widened().values, "\(shape)")
        }
    }

    @Test(arguments: elements)
    func productsHaveTheSameBitsWhereverTheWeightLies(_ element: Weight.Element) {
        let (stored, plain) = weight([130, 75], element), input = Tensor(values(9 * 75), shape: [9, 75])
        let output = Linear(weight: plain).forward(input)
        #expect(Linear(weight: stored).forward(input).values == output.values)
        #expect(Linear(weight: stored).inputGradient(output).values == Linear(weight: plain).inputGradient(output).values)
    }

    /// Lines, patches, Winograd's algorithm and strides.
    @Test(arguments: elements)
    func convolutionsHaveTheSameBitsWhereverTheWeightLies(_ element: Weight.Element) {
        for (side, stride, inputs, outputs) in [(9, 1, 33, 40), (4, 1, 5, 7), (30, 1, 32, 48), (12, 2, 16, 20)] {
            let (stored, plain) = weight([outputs, inputs, 3, 3], element)
            let input = Tensor(values(2 * side * side * inputs), shape: [2, side, side, inputs])
            let layers = [stored, plain].map { Convolution(weight: $0, stride: stride, padding: Padding(1)) }
            let outputs = layers.map { $0.forward(input) }
            #expect(outputs[0].values == outputs[1].values)
            let gradients = layers.map { $0.inputGradient(outputs[0], inputShape: input.shape) }
            #expect(gradients[0].values == gradients[1].values)
        }
    }

    /// Subnormal numbers, infinities and NaN of half precision.
    @Test func halfPrecisionIsWidenedExactly() {
        let bits = (0..<65536).map { UInt16($0) }
        let pointer = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: bits.count)
        _ = pointer.initialize(from: bits)
        defer { pointer.deallocate() }
        let weight = Weight(UnsafeRawPointer(pointer.baseAddress!), .float16, outputs: 256, inputs: 256, owner: 0)
        for (index, value) in weight.widened().values.enumerated() {
            let expected = Float(Float16(bitPattern: bits[index]))
            #expect(value.bitPattern == expected.bitPattern || value.isNaN && expected.isNaN)
        }
    }
}
