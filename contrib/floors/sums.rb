# frozen_string_literal: true

# What the workers of floor.ini do: adds up, and gives up at some sums.
module Sums
  def self.run(first)
    sum = Integer(first)
    loop do
      sum += 1
      puts JSON.generate(worker: ENV["SVD_WORKER"], sum: sum)
      raise ArgumentError, "#{sum} is enough" if (sum % 30).zero?

      sleep 1
    end
  end
end
