// SPDX-License-Identifier: Apache-2.0
internal import CKernels
private import COneDNN
private import COpenBLAS

/// The left operand of a product: row-major with the given distance of its rows, or column-major.
struct LeftOperand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    var isColumnMajor = false
    /// Lines of pixels, for our own kernels only.
    var lines: Lines?
    /// Elements are pairs of bf16, as in the right operand; strides count pairs.
    var isPaired = false

    /// Rows lie in lines of `length`, `stride` floats from one to the next, and each is made of the pieces at `offsets`.
    struct Lines {
        let length: Int, stride: Int
        let offsets: UnsafeBufferPointer<Int>
    }

    var kernelOperand: pw_left {
        pw_left(
            start: pointer, stride: stride, line: lines?.length ?? 0, line_stride: lines?.stride ?? 0, segments: lines?.offsets.count ?? 1,
            offsets: lines?.offsets.baseAddress, by_columns: isColumnMajor ? 1 : 0,
            is_paired: isPaired ? 1 : 0)
    }
}

/// The right operand: panels of `Product.panelWidth` columns, `stride` floats from one to the next.
struct RightOperand {
    let pointer: UnsafePointer<Float>
    let stride: Int
    /// Rows are pairs of rows in bf16.
    var isPaired = false
}

/// What is added to a product: a row for all rows, and a matrix of the result's layout.
struct Addends {
    var bias: UnsafePointer<Float>?
    var residual: UnsafePointer<Float>?
}

/// Products of matrices on the calling thread: the only place that multiplies.
enum Product {
    static let panelWidth: Int = {
        var width = 0
        pw_panel_width(&width)
        return width
    }()

    static func panelCount(_ columns: Int) -> Int { (columns + panelWidth - 1) / panelWidth }

    /// Has `write` fill panels of `rows` rows, one behind the other, and rounds them to bf16 in pairs of rows when `isPaired`.
    static func pack(
        rows: Int, columns: Int, isPaired: Bool, into panels: UnsafeMutablePointer<Float>, _ write: (UnsafeMutablePointer<Float>) -> Void
    ) {
        guard isPaired else { return write(panels) }
        let wide = scratch(0, panelFloats(depth: rows, columns: columns)), pairs = (rows + 1) / 2 * panelWidth
        write(wide)
        for panel in 0..<panelCount(columns) {
            pw_pair_rows(wide + panel * rows * panelWidth, panelWidth, rows, panelWidth, (panels + panel * pairs).pairs, panelWidth)
        }
    }

    /// Floats of a [depth, columns] operand in panels.
    static func panelFloats(depth: Int, columns: Int) -> Int { panelCount(columns) * panelWidth * depth }

    /// C[m, n] = A B plus what is to be added; k counts elements, also of operands in pairs.
    static func multiply(
        _ m: Int, _ n: Int, _ k: Int, _ a: LeftOperand, _ b: RightOperand, into c: UnsafeMutablePointer<Float>, stride: Int,
        adding addends: Addends = Addends()
    ) {
        Compute.count(m, n, k)
        if Compute.backend == .own {
            precondition(a.isPaired == b.isPaired, "operands of different precision")
            var left = a.kernelOperand
            let depth = a.isPaired ? (k + 1) / 2 : k
            pw_multiply_panels(&left, b.pointer, b.stride, c, stride, m, n, depth, addends.bias, addends.residual)
            return
        }
        precondition(a.lines == nil && !a.isPaired, "libraries multiply plain matrices only")
        let plain = scratch(6, k * n)
        pw_unpack(b.pointer, b.stride, k, n, plain)
        let started = start(c, rows: m, columns: n, stride: stride, addends)
        if Compute.backend == .oneDNN {
            let done = pw_dnn_sgemm(
                Int64(m), Int64(n), Int64(k), a.pointer, Int64(a.stride), a.isColumnMajor ? 1 : 0, plain, Int64(n), 0, c, Int64(stride),
                started ? 1 : 0)
            if done != 0 { return }
        }
        cblas_sgemm(
            CblasRowMajor, a.isColumnMajor ? CblasTrans : CblasNoTrans, CblasNoTrans, blasint(m), blasint(n), blasint(k), 1, a.pointer,
            blasint(a.stride), plain, blasint(n), started ? 1 : 0, c, blasint(stride))
    }

    /// Writes what is to be added, for a library that can only add to what is there; false when there is nothing.
    private static func start(
        _ c: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int, _ addends: Addends
    ) -> Bool {
        guard addends.bias != nil || addends.residual != nil else { return false }
        for row in 0..<rows {
            let target = c + row * stride
            if let residual = addends.residual, residual != UnsafePointer(c) {
                target.update(from: residual + row * stride, count: columns)
            } else if addends.residual == nil {
                target.update(repeating: 0, count: columns)
            }
            if let bias = addends.bias { pw_add_into(bias, target, columns) }
        }
        return true
    }
}

/// How a product of an [m, k] by a [k, n] matrix is cut into independent tasks.
///
/// Every element is the same sum however the result is cut when our own kernels multiply, so the cut may follow the number of threads.
/// A library's sums may depend on the cut; then it depends on the sizes alone.
struct ProductGrid {
    let rowPieces: Int, columnPieces: Int
    let rows: Int, columns: Int
    private let unit: Int

    /// - Parameter unit: rows that stay together.
    init(rows: Int, columns: Int, depth: Int, maximumRows: Int = .max, unit: Int = 1) {
        self.rows = rows
        self.columns = columns
        self.unit = unit
        let work = 2.0 * Double(rows) * Double(columns) * Double(depth)
        let most = Compute.backend == .own ? max(8, 4 * Compute.threads) : 8
        var pieces = 1
        while pieces < most && work / Double(pieces) > 2e6 { pieces *= 2 }
        // Each task reads its part of A and packs its part of B: choose the cut with the shortest sum of edges.
        var best = (rows: 1, columns: pieces), bestCost = Double.infinity
        var rowPieces = 1
        while rowPieces <= pieces {
            let cost = Double(rowPieces) / Double(max(1, rows)) + Double(pieces / rowPieces) / Double(max(1, columns))
            if cost < bestCost { (best, bestCost) = ((rowPieces, pieces / rowPieces), cost) }
            rowPieces *= 2
        }
        let floor = maximumRows == .max ? 1 : (rows + maximumRows - 1) / maximumRows
        self.rowPieces = min(max(1, rows / unit), max(best.rows, floor))
        columnPieces = min(best.columns, max(1, columns / 32))
    }

    var count: Int { rowPieces * columnPieces }

    /// Runs `body` on the pool for every piece that is not empty, of each of several results of this size.
    func run(_ results: Int = 1, _ body: (_ result: Int, _ rows: Range<Int>, _ columns: Range<Int>) -> Void) {
        parallel(results * count) { task in
            let (result, piece) = (task / count, task % count)
            let (row, column) = (piece / columnPieces, piece % columnPieces)
            let (r, c) = (rowCut(row)..<rowCut(row + 1), columnCut(column)..<columnCut(column + 1))
            if !r.isEmpty && !c.isEmpty { body(result, r, c) }
        }
    }

    private func rowCut(_ index: Int) -> Int { rows / unit * index / rowPieces * unit }

    /// Column cuts fall on multiples of 32, the widest panel.
    private func columnCut(_ index: Int) -> Int { index == columnPieces ? columns : columns * index / columnPieces / 32 * 32 }
}

extension Compute {
    /// Floating-point operations a second that all threads together do on registers alone, in f32: the best of several short runs.
    package static func measuredPeak() -> Double {
        let rounds = 1 << 20, clock = ContinuousClock(), pieces = threads
        let work = Double(pieces * rounds * 12 * Product.panelWidth)
        let best = (0..<15).map { _ in
            clock.measure { parallel(pieces) { _ in pw_saturate(rounds, scratch(0, Product.panelWidth)) } } / .seconds(1)
        }.min()
        return work / max(best ?? 1, 1e-9)
    }
}
