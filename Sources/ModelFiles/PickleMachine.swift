// SPDX-License-Identifier: Apache-2.0

/// The stack machine that a pickle is a program for, with the opcodes that torch files need and no others.
///
/// Every opcode makes at most one node, so memory stays in proportion to the input.
struct PickleMachine {
    private static let nodeLimit = 4_000_000

    private var reader: ByteReader
    private var nodes: [Pickle.Node] = []
    private var stack: [Pickle.Reference] = []
    private var marks: [Int] = []
    private var memo: [Int: Pickle.Reference] = [:]

    init(_ bytes: UnsafeRawBufferPointer) {
        reader = ByteReader(bytes, subject: "pickle")
    }

    mutating func run() throws(ModelFileError) -> ([Pickle.Node], Pickle.Reference, Int) {
        while true {
            let opcode = try reader.integer(UInt8.self)
            if opcode == UInt8(ascii: ".") { return (nodes, try pop(), reader.position) }
            try step(opcode)
        }
    }

    private mutating func step(_ opcode: UInt8) throws(ModelFileError) {
        switch opcode {
        case 0x80:
            let version = try reader.integer(UInt8.self)
            guard version <= 5 else { throw .unsupported("pickle protocol \(version); known are 2 to 5") }
        case 0x95: _ = try reader.take(8)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "N"): try push(.none)
        case 0x88: try push(.bool(true))
        case 0x89: try push(.bool(false))
        case UInt8(ascii: "K"): try push(.integer(Int(try reader.integer(UInt8.self))))
        case UInt8(ascii: "M"): try push(.integer(Int(try reader.integer(UInt16.self))))
        case UInt8(ascii: "J"): try push(.integer(Int(try reader.integer(Int32.self))))
        case 0x8A: try push(try longInteger())
        case UInt8(ascii: "G"): try push(.number(Double(bitPattern: try reader.integer(UInt64.self).byteSwapped)))
        case UInt8(ascii: "U"), UInt8(ascii: "T"), UInt8(ascii: "X"), 0x8C, 0x8D, UInt8(ascii: "C"), UInt8(ascii: "B"), 0x8E:
            try push(try string(opcode))
        case UInt8(ascii: "c"): try push(.symbol(module: try reader.line(), name: try reader.line()))
        case 0x93:
            let name = try pop()
            guard case .text(let module) = nodes[try pop()], case .text(let name) = nodes[name] else { throw damaged("symbol") }
            try push(.symbol(module: module, name: name))
        case UInt8(ascii: ")"): try push(.tuple([]))
        case 0x85, 0x86, 0x87: try push(.tuple(try pop(count: Int(opcode - 0x84))))
        case UInt8(ascii: "t"): try push(.tuple(try popToMark()))
        case UInt8(ascii: "]"): try push(.list([]))
        case UInt8(ascii: "}"): try push(.dictionary([]))
        case UInt8(ascii: "R"), 0x81:
            let arguments = try pop()
            try push(.object(Pickle.Object(callable: try pop(), arguments: arguments)))
        case UInt8(ascii: "Q"): try push(.persistent(try pop()))
        case UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "s"), UInt8(ascii: "u"), UInt8(ascii: "b"): try fill(opcode)
        case UInt8(ascii: "q"): memo[Int(try reader.integer(UInt8.self))] = try top()
        case UInt8(ascii: "r"): memo[Int(try reader.integer(UInt32.self))] = try top()
        case 0x94: memo[memo.count] = try top()
        case UInt8(ascii: "h"): try recall(Int(try reader.integer(UInt8.self)))
        case UInt8(ascii: "j"): try recall(Int(try reader.integer(UInt32.self)))
        default:
            throw .unsupported(
                "pickle opcode 0x\(String(opcode, radix: 16)) at byte \(reader.position - 1) is not one that tensor files use; the file is refused"
            )
        }
    }

    private mutating func longInteger() throws(ModelFileError) -> Pickle.Node {
        let bytes = try reader.take(Int(try reader.integer(UInt8.self)))
        guard bytes.count <= 8 else { return .bigInteger(Array(bytes)) }
        let filler: UInt8 = (bytes.last ?? 0) & 0x80 == 0 ? 0 : 0xFF
        let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64($1 < bytes.count ? bytes[$1] : filler) << UInt64(8 * $1) }
        return .integer(Int(Int64(bitPattern: value)))
    }

    private mutating func string(_ opcode: UInt8) throws(ModelFileError) -> Pickle.Node {
        let length =
            switch opcode {
            case UInt8(ascii: "U"), UInt8(ascii: "C"), 0x8C: try reader.length(UInt8.self)
            case 0x8D, 0x8E: try reader.length(UInt64.self)
            default: try reader.length(UInt32.self)
            }
        switch opcode {
        case UInt8(ascii: "X"), 0x8C, 0x8D: return .text(try reader.text(length))
        case UInt8(ascii: "C"), UInt8(ascii: "B"), 0x8E: return .bytes(Array(try reader.take(length)))
        default:
            // A Python 2 string is bytes that are nearly always text.
            let bytes = Array(try reader.take(length))
            return String(validating: bytes, as: UTF8.self).map(Pickle.Node.text) ?? .bytes(bytes)
        }
    }

    /// APPEND(S), SETITEM(S) and BUILD: adds to the value below the operands.
    private mutating func fill(_ opcode: UInt8) throws(ModelFileError) {
        let operands =
            switch opcode {
            case UInt8(ascii: "a"), UInt8(ascii: "b"): try pop(count: 1)
            case UInt8(ascii: "s"): try pop(count: 2)
            default: try popToMark()
            }
        let target = try top()
        // Taken out of the array while it grows, so that growing does not copy it.
        var node = Pickle.Node.none
        swap(&node, &nodes[target])
        let isItems = opcode == UInt8(ascii: "s") || opcode == UInt8(ascii: "u")
        switch (node, opcode) {
        case (.object(var object), UInt8(ascii: "b")):
            node = .none
            object.state = operands[0]
            node = .object(object)
        case (.object(var object), _):
            node = .none
            if isItems { object.items += try pairs(operands) } else { object.elements += operands }
            node = .object(object)
        case (.dictionary(var items), _) where isItems:
            node = .none
            items += try pairs(operands)
            node = .dictionary(items)
        case (.list(var elements), _) where !isItems && opcode != UInt8(ascii: "b"):
            node = .none
            elements += operands
            node = .list(elements)
        default: throw damaged("container")
        }
        swap(&node, &nodes[target])
    }

    private func pairs(_ operands: [Pickle.Reference]) throws(ModelFileError) -> [Pickle.Item] {
        guard operands.count.isMultiple(of: 2) else { throw damaged("key and value") }
        return stride(from: 0, to: operands.count, by: 2).map { Pickle.Item(key: operands[$0], value: operands[$0 + 1]) }
    }

    private mutating func push(_ node: Pickle.Node) throws(ModelFileError) {
        guard nodes.count < Self.nodeLimit else { throw .unsupported("the pickle holds more than \(Self.nodeLimit) values") }
        stack.append(nodes.count)
        nodes.append(node)
    }

    private mutating func recall(_ slot: Int) throws(ModelFileError) {
        guard let reference = memo[slot] else { throw damaged("remembered value") }
        // A recall makes no node but takes a place on the stack, so it counts against the same limit.
        guard stack.count < Self.nodeLimit else { throw .unsupported("the pickle holds more than \(Self.nodeLimit) values") }
        stack.append(reference)
    }

    private func top() throws(ModelFileError) -> Pickle.Reference {
        guard let last = stack.last, stack.count > marks.last ?? 0 else { throw damaged("value") }
        return last
    }

    private mutating func pop() throws(ModelFileError) -> Pickle.Reference {
        let reference = try top()
        stack.removeLast()
        return reference
    }

    private mutating func pop(count: Int) throws(ModelFileError) -> [Pickle.Reference] {
        guard stack.count - count >= marks.last ?? 0 else { throw damaged("value") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws(ModelFileError) -> [Pickle.Reference] {
        guard let mark = marks.popLast() else { throw damaged("mark") }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private func damaged(_ missing: String) -> ModelFileError {
        .malformed("the pickle is damaged: no \(missing) where one is needed before byte \(reader.position)")
    }
}
