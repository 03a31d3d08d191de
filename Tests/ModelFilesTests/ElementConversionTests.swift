// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import ModelFiles

@Suite struct ElementConversionTests {
    @Test func halfPrecisionBecomesTheFloatTorchMakesOfIt() throws {
        let file = try SafeTensorsFile(path: fixture("safetensors/half.safetensors"))
        let converted = try file.floats(named: "half")
        let expected = try file.floats(named: "float")
        #expect(converted.count > 1000)
        for (value, reference) in zip(converted, expected) {
            #expect(value.bitPattern == reference.bitPattern || (value.isNaN && reference.isNaN))
        }
    }

    @Test func everyHalfPrecisionNumberSurvivesTheRoundTrip() {
        for bits in UInt16.min...UInt16.max where bits & 0x7FFF <= 0x7C00 {
            #expect(halfBits(float(half: bits)) == bits)
        }
        #expect(float(half: 0x7E00).isNaN)
        #expect(float(half: halfBits(.nan)).isNaN)
    }

    @Test func floatsRoundToHalfAndBfloat16AsInTorch() throws {
        let file = try SafeTensorsFile(path: fixture("safetensors/rounding.safetensors"))
        let source = try file.floats(named: "source")
        let halves = try file.integers(named: "half")
        #expect(source.map { Int(Int16(bitPattern: halfBits($0))) } == halves)
        let folder = try TemporaryFolder()
        let path = folder.path + "/bf16.safetensors"
        try SafeTensorsWriter.write([.init(name: "x", shape: [source.count])], as: .bfloat16, to: path) { _ in source }
        let written = try SafeTensorsFile(path: path).withBytes(named: "x") { bytes in
            (0..<source.count).map { Int(bytes.loadUnaligned(fromByteOffset: 2 * $0, as: Int16.self)) }
        }
        #expect(try written == file.integers(named: "bfloat16"))
    }

    @Test func elementCountRefusesOverflowAndNegativeSizes() {
        #expect(elementCount(of: []) == 1)
        #expect(elementCount(of: [2, 3, 4]) == 24)
        #expect(elementCount(of: [1 << 40, 1 << 40]) == nil)
        #expect(elementCount(of: [-1, 2]) == nil)
        #expect(elementCount(of: [1 << 40, 1 << 40, 0]) == 0)
        #expect(elementCount(of: [0, -1]) == nil)
    }
}
