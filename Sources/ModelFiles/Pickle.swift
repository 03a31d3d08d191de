// SPDX-License-Identifier: Apache-2.0

/// A Python pickle read as data: nothing it names is imported, constructed or called.
///
/// Globals stay symbols, calls stay records of what would be called. Values are nodes that refer to each other by index, so
/// shared and even cyclic values cost no more than the bytes that described them.
package struct Pickle: Sendable {
    /// The index of a value in `nodes`.
    package typealias Reference = Int

    package struct Item: Sendable {
        package let key: Reference
        package let value: Reference
    }

    /// What `REDUCE`, `NEWOBJ` and `BUILD` describe: a call that is never made.
    package struct Object: Sendable {
        package let callable: Reference
        package let arguments: Reference
        package internal(set) var state: Reference?
        package internal(set) var items: [Item] = []
        package internal(set) var elements: [Reference] = []
    }

    package enum Node: Sendable {
        case none
        case bool(Bool)
        case integer(Int)
        /// An integer beyond 64 bits: little-endian two's complement.
        case bigInteger([UInt8])
        case number(Double)
        case text(String)
        case bytes([UInt8])
        case symbol(module: String, name: String)
        case tuple([Reference])
        case list([Reference])
        case dictionary([Item])
        case object(Object)
        /// A value kept outside the pickle, such as a torch storage.
        case persistent(Reference)
    }

    package let nodes: [Node]
    package let root: Reference
    /// Bytes from the start of the pickle to just after its end.
    package let byteCount: Int

    /// Reads the pickle at the start of `bytes`, which may go on after it.
    ///
    /// - Throws: `ModelFileError`: malformed when cut short or inconsistent, unsupported for an opcode outside the whitelist.
    package init(parsing bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
        var machine = PickleMachine(bytes)
        (nodes, root, byteCount) = try machine.run()
    }

    package init(parsing bytes: [UInt8]) throws(ModelFileError) {
        let result = bytes.withUnsafeBytes { buffer in Result { () throws(ModelFileError) in try Pickle(parsing: buffer) } }
        self = try result.get()
    }

    package subscript(reference: Reference) -> Node { nodes[reference] }

    /// The key-value pairs of a dictionary or of an object filled like one (`OrderedDict`), or nil for anything else.
    package func items(_ reference: Reference) -> [Item]? {
        switch nodes[reference] {
        case .dictionary(let items): items
        case .object(let object) where object.state == nil && object.elements.isEmpty: object.items
        default: nil
        }
    }

    /// The value under a text key of a dictionary; a key given twice counts as its last, as in Python.
    package func value(_ key: String, in reference: Reference) -> Reference? {
        items(reference)?.last { text($0.key) == key }?.value
    }

    package func text(_ reference: Reference) -> String? {
        if case .text(let value) = nodes[reference] { value } else { nil }
    }

    package func integer(_ reference: Reference) -> Int? {
        if case .integer(let value) = nodes[reference] { value } else { nil }
    }

    /// The elements of a tuple or list.
    package func elements(_ reference: Reference) -> [Reference]? {
        switch nodes[reference] {
        case .tuple(let elements), .list(let elements): elements
        default: nil
        }
    }

    /// Whole numbers of a tuple or list, as in a shape.
    func integers(_ reference: Reference) -> [Int]? {
        guard let elements = elements(reference) else { return nil }
        let values = elements.compactMap { integer($0) }
        return values.count == elements.count ? values : nil
    }

    /// The dotted name of a symbol.
    package func symbol(_ reference: Reference) -> String? {
        if case .symbol(let module, let name) = nodes[reference] { module + "." + name } else { nil }
    }
}
