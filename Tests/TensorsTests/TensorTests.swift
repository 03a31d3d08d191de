// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct TensorTests {
    @Test func valuesComeBackInRowMajorOrder() {
        let tensor = Tensor([1, 2, 3, 4, 5, 6], shape: [2, 3])
        #expect(tensor.values == [1, 2, 3, 4, 5, 6])
        #expect(tensor.shape == [2, 3] && tensor.count == 6 && tensor.rowCount == 2 && tensor.width == 3)
        #expect(tensor.withValues { $0[4] } == 5)
    }

    @Test func zerosAreZeroEvenInUsedMemory() {
        for count in [1, 15, 16, 17, 1000] {
            _ = Tensor([Float](repeating: .nan, count: count), shape: [count])
            #expect(Tensor(zeros: [count]).values.allSatisfy { $0 == 0 })
        }
    }

    @Test func aScalarHasOneElementAndAnEmptyTensorNone() {
        let scalar = Tensor([7], shape: [])
        #expect(scalar.count == 1 && scalar.width == 1 && scalar.rowCount == 1)
        let empty = Tensor([], shape: [3, 0])
        #expect(empty.values.isEmpty && empty.rowCount == 3 && empty.width == 0)
        #expect(Tensor(zeros: [0, 4]).slice(0..<0).shape == [0, 4])
    }

    @Test func reshapingSharesTheValues() {
        let tensor = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
        let other = tensor.reshaped([6, 4])
        #expect(other.shape == [6, 4] && other.values == tensor.values)
        #expect(tensor.withValues { a in other.withValues { b in a.baseAddress == b.baseAddress } })
    }

    @Test func slicesAreRowsOfTheFirstDimension() {
        let tensor = Tensor((0..<24).map(Float.init), shape: [4, 3, 2])
        #expect(tensor.slice(1..<3).values == (6..<18).map(Float.init))
        #expect(tensor.slice(1..<3).shape == [2, 3, 2])
        #expect(tensor.slice(4..<4).shape == [0, 3, 2])
        #expect(tensor.slice(0..<4).values == tensor.values)
    }

    @Test(arguments: [[1, 1, 1, 1], [2, 3, 4, 5], [3, 4, 1, 1], [1, 70, 30, 33], [64, 320, 3, 3]])
    func theSecondAxisMovesToTheEnd(_ shape: [Int]) {
        let tensor = Tensor((0..<shape.reduce(1, *)).map(Float.init), shape: shape), moved = tensor.movingSecondAxisLast()
        #expect(moved.shape == [shape[0], shape[2], shape[3], shape[1]])
        let (from, to) = (tensor.values, moved.values), area = shape[2] * shape[3]
        var agrees = true
        for a in 0..<shape[0] {
            for b in 0..<shape[1] {
                for place in 0..<area {
                    agrees = agrees && to[(a * area + place) * shape[1] + b] == from[(a * shape[1] + b) * area + place]
                }
            }
        }
        #expect(agrees)
    }

    @Test func finiteMeansNeitherInfiniteNorNaN() {
        #expect(Tensor([0, -1, .greatestFiniteMagnitude], shape: [3]).isFinite)
        #expect(!Tensor([0, .infinity], shape: [2]).isFinite)
        #expect(!Tensor([.nan], shape: []).isFinite)
        #expect(Tensor([], shape: [0]).isFinite)
    }

    @Test func aFillThatThrowsLeavesNoTensor() {
        struct Refused: Error {}
        #expect(throws: Refused.self) { try Tensor(shape: [3]) { _ in throw Refused() } }
    }

    @Test func wrongSizesStopTheProgram() async {
        await #expect(processExitsWith: .failure) { _ = Tensor([1, 2, 3], shape: [2, 2]) }
        await #expect(processExitsWith: .failure) { _ = Tensor(zeros: [6]).reshaped([4]) }
        await #expect(processExitsWith: .failure) { _ = Tensor(zeros: [2, 2]).slice(1..<3) }
        await #expect(processExitsWith: .failure) { _ = Linear(weight: Weight(Tensor(zeros: [2, 3]))).forward(Tensor(zeros: [1, 4])) }
    }
}
