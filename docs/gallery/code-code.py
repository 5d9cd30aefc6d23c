def add_two_numbers(a, b):
    return a + b

result = add_two_numbers(10, 20)
print(f"The result is: {result}")
