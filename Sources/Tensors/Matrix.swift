// SPDX-License-Identifier: Apache-2.0
private import COneDNN
private import COpenBLAS

/// One side of a product: where a row-major matrix starts, the distance of its rows, and whether it is read transposed.
struct Operand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    let isTransposed: Bool

    init(_ pointer: UnsafePointer<Float>, stride: Int) {
        (self.pointer, self.stride, isTransposed) = (pointer, stride, false)
    }

    init(transposing pointer: UnsafePointer<Float>, stride: Int) {
        (self.pointer, self.stride, isTransposed) = (pointer, stride, true)
    }
}

/// C = A B + (accumulate ? C : 0) on the calling thread: A is [m, k] and B is [k, n] as read.
func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool
) {
    Compute.count(m, n, k)
    if Compute.backend == .oneDNN {
        let done = pw_dnn_sgemm(
            Int64(m), Int64(n), Int64(k), a.pointer, Int64(a.stride), a.isTransposed ? 1 : 0, b.pointer, Int64(b.stride),
            b.isTransposed ? 1 : 0, c, Int64(stride), accumulate ? 1 : 0)
        if done != 0 { return }
    }
    cblas_sgemm(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans, blasint(m), blasint(n),
        blasint(k), 1, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride), accumulate ? 1 : 0, c, blasint(stride))
}

/// How a product of an [m, k] by a [k, n] matrix is cut into independent tasks.
///
/// The cut depends on the sizes alone, so every element is computed by the same instructions whatever the number of threads.
struct MatrixGrid {
    let rowPieces: Int, columnPieces: Int
    let rows: Int, columns: Int

    init(rows: Int, columns: Int, depth: Int, maximumRows: Int = .max) {
        self.rows = rows
        self.columns = columns
        let work = 2.0 * Double(rows) * Double(columns) * Double(depth)
        var pieces = 1
        while pieces < 8 && work / Double(pieces) > 2e6 { pieces *= 2 }
        // Each task packs its part of A and of B once: choose the cut with the shortest sum of edges.
        var best = (rows: 1, columns: pieces), bestCost = Double.infinity
        var rowPieces = 1
        while rowPieces <= pieces {
            let cost = Double(rowPieces) / Double(max(1, rows)) + Double(pieces / rowPieces) / Double(max(1, columns))
            if cost < bestCost { (best, bestCost) = ((rowPieces, pieces / rowPieces), cost) }
            rowPieces *= 2
        }
        let floor = maximumRows == .max ? 1 : (rows + maximumRows - 1) / maximumRows
        self.rowPieces = min(max(1, rows), max(best.rows, floor))
        columnPieces = min(best.columns, max(1, columns / 16))
    }

    var count: Int { rowPieces * columnPieces }

    func rowRange(_ task: Int) -> Range<Int> {
        let piece = task / columnPieces
        return rows * piece / rowPieces..<rows * (piece + 1) / rowPieces
    }

    /// Column cuts fall on multiples of 16 so that no task starts in the middle of a vector.
    func columnRange(_ task: Int) -> Range<Int> {
        let piece = task % columnPieces
        func cut(_ index: Int) -> Int { index == columnPieces ? columns : columns * index / columnPieces / 16 * 16 }
        return cut(piece)..<cut(piece + 1)
    }
}
