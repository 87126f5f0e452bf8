/// A field that is always there: `null` where there is no value, which synthesized `Encodable` would leave out.
@propertyWrapper
struct ExplicitNull<Value: Encodable>: Encodable {
    let wrappedValue: Value?

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}
